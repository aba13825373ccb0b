"""From a checkpoint to a model that enrolls and scores: the whole road of an exported BEATs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_beats import write_tiny_beats

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.export.beats import BeatsExport
from asd_edge.export.beats.embedder import build_beats
from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.export import export_beats
from asd_edge.export.beats.pooling import POOLINGS, build_pooling
from asd_edge.export.onnx_file import export_model
from asd_edge.runtime import Model

WINDOW_S = 1.0
WAVEFORM = np.random.default_rng(0).normal(0.0, 0.1, (1, 16_000)).astype(np.float32)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt")


@pytest.fixture
def head(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(3)
    path = tmp_path / "head.pt"
    torch.save({"W_a": torch.randn(16, 24, generator=generator), "v_a": torch.randn(16, generator=generator)}, path)
    return path


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_module_is_encoder_and_pooling(pooling: str, checkpoint: Path, head: Path) -> None:
    """The two modules applied one after the other, and what the file would say of them."""
    trained = head if pooling == "asp" else None
    module, info = build_beats(checkpoint, pooling, trained, layers=2, window_s=WINDOW_S)
    waveform = torch.from_numpy(WAVEFORM)
    with torch.no_grad():
        pooled = build_pooling(pooling, 24, trained)(load_beats(checkpoint, 2, 16_000)(waveform))
        found = module(waveform)
    outputs, expected = ([found], [pooled]) if isinstance(found, torch.Tensor) else (found, pooled)
    for output, values in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output.numpy(), values.numpy(), atol=1e-5)
    assert (info.recipe, info.pooling, info.layers) == (f"beats-{pooling}", pooling, 2)
    assert info.dimensions == outputs[0].shape[1]
    assert info.checkpoint_sha256 == file_sha256(checkpoint)
    assert info.patch_grid == ((6, 8) if pooling == "asp" else None)
    assert info.scorer == "nearest"


@pytest.mark.parametrize(("pooling", "mode"), [("asp", "apart"), ("rdp-gem", "concatenate")])
def test_the_exported_model_is_the_module(
    pooling: str, mode: str, checkpoint: Path, head: Path, tmp_path: Path
) -> None:
    """Through ONNX Runtime on the device; `test_pooling` exports each pooling alone."""
    path = tmp_path / "model.onnx"
    trained = head if pooling == "asp" else None
    module, described = build_beats(checkpoint, pooling, trained, 1, WINDOW_S, mel_block_mode=mode)
    info = export_model(module, described, path)
    with torch.no_grad():
        expected = module(torch.from_numpy(WAVEFORM))
    model = Model(path, threads=1)
    assert model.info == info
    assert info.parity["max_error_over_deviation"] <= 1e-3
    assert info.parity["min_cosine"] > 0.999
    if pooling == "asp":
        np.testing.assert_allclose(model.embed(WAVEFORM[0]).embedding, expected[0][0].numpy(), atol=1e-4)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (weights,) = session.run(["patch_weights"], {"waveform": WAVEFORM})
        np.testing.assert_allclose(weights, expected[1].numpy(), atol=1e-6)
        assert weights.sum() == pytest.approx(1.0, abs=1e-5)
    else:
        np.testing.assert_allclose(model.embed(WAVEFORM[0]).embedding, expected[0].numpy(), atol=1e-4)
        assert (info.recipe, info.pooling) == ("beats-rdp-gem-concatenate", "rdp-gem-concatenate")
        assert (info.dimensions, info.scorer) == (8 * 24, "nearest-cosine")


def test_a_graph_for_cuda_needs_common_operators_only(checkpoint: Path, tmp_path: Path) -> None:
    """And OpenVINO, which has no operator for attention either, runs all of it."""
    waveform = np.random.default_rng(0).normal(0.0, 0.1, 16_000).astype(np.float32)
    found = {}
    for target in ("cpu", "cuda"):
        path = tmp_path / f"{target}.onnx"
        info = export_beats(BeatsExport(checkpoint, path, "mean", layers=1, window_s=WINDOW_S, target=target))
        graph = onnx.load(path)
        assert info.target == target
        assert any(node.op_type == "Attention" for node in graph.graph.node) == (target == "cpu")
        assert all(node.domain in ("", "ai.onnx") for node in graph.graph.node)
        found[target] = Model(path, "cpu", threads=1).embed(waveform).embedding
    assert graph.opset_import[0].version == 20
    np.testing.assert_allclose(found["cuda"], found["cpu"], atol=1e-5)
    if importlib.util.find_spec("onnxruntime_ep_openvino") is not None:
        model = Model(tmp_path / "cuda.onnx", "openvino", threads=1)
        assert set(model.nodes) == {"openvino"}
        np.testing.assert_allclose(model.embed(waveform).embedding, found["cpu"], atol=1e-4)


def test_the_whole_road_by_the_program(
    run_main: Callable[..., Any], checkpoint: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    """Export, info, enroll, listen, score: nothing is special about a BEATs model. Random weights hear a fault, too."""
    model, bank = tmp_path / "beats.onnx", tmp_path / "bank.npz"
    exported = run_main(
        *(
            "export",
            "beats",
            "--checkpoint",
            checkpoint,
            "--output",
            model,
            "--pooling",
            "stats",
            "--layers",
            1,
            "--window",
            WINDOW_S,
        )
    )
    assert exported.returncode == 0, exported.stderr
    assert "max error over spread" in exported.stdout
    assert "beats-stats" in run_main("info", model).stdout
    enrolled = run_main("enroll", "--bank", bank, "--model", model, "--input", machine_wav, "--hop", WINDOW_S)
    assert enrolled.returncode == 0, enrolled.stderr
    common = ("--bank", bank, "--model", model, "--hop", WINDOW_S, "--json")
    scored = [json.loads(line) for line in run_main("score", faulty_wav, *common).stdout.splitlines()]
    assert len(scored) == 30
    heard = [json.loads(line) for line in run_main("listen", "--input", faulty_wav, *common).stdout.splitlines()]
    assert [values["score"] for values in heard if values["event"] == "score"] == [values["score"] for values in scored]
    assert "beats-stats takes" in run_main("doctor", "--model", model).stdout


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--pooling", "asp"), "needs a trained head"),
        (("--pooling", "max"), "no pooling of that name"),
        (("--layers", "9"), "does not have that many layers"),
        (("--window", "0.1"), "shorter than a patch"),
    ],
)
def test_what_cannot_be_exported(
    run_main: Callable[..., Any], checkpoint: Path, tmp_path: Path, arguments: tuple[str, ...], what: str
) -> None:
    done = run_main("export", "beats", "--checkpoint", checkpoint, "--output", tmp_path / "no.onnx", *arguments)
    assert done.returncode == 1
    assert what in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "no.onnx").exists()
