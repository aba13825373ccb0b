"""Products in 8 bits: what they compute, how they are rounded, and what that may cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from tiny_beats import TINY, tiny_weights, write_tiny_beats
from torch import Tensor, nn

from asd_edge.calibration.contract import parity
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.contract.parity import Certificate
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.beats import BeatsExport
from asd_edge.export.beats.embedder import BeatsEmbedder, build_beats
from asd_edge.export.beats.encoder import EncoderLayer
from asd_edge.export.beats.export import export_beats
from asd_edge.export.beats.int8 import (
    GROUPS,
    Int8Linear,
    Rounding,
    embed,
    round_everything,
    round_with_feedback,
    to_int8,
)
from asd_edge.export.certification_clips import generated_clips, recorded_clips
from asd_edge.export.onnx_file import trace
from asd_edge.runtime import Model

WINDOW_S = 0.5
SAMPLES = 8_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_beats(tmp_path_factory.mktemp("checkpoint") / "tiny.pt")


def products(module: BeatsEmbedder) -> list[nn.Module]:
    owners = [module.encoder, *module.encoder.layers]
    found = [getattr(owner, name, None) for owner in owners for group in GROUPS for name in group]
    return [product for product in found if product is not None]


def test_inputs_are_rounded_as_onnx_does() -> None:
    """The example of DynamicQuantizeLinear in ONNX's specification: step 5 / 255, zero point 153."""
    inputs = torch.tensor([[0.0, 2.0, -3.0, -2.5, 1.34, 0.5]])
    rounded = torch.tensor([[153, 255, 0, 26, 221, 179]]) - 153
    identity = Int8Linear(torch.eye(6, dtype=torch.int8), torch.ones(6), torch.zeros(6), None)
    torch.testing.assert_close(identity(inputs), rounded * (5.0 / 255.0))
    torch.testing.assert_close(identity(torch.zeros(2, 6)), torch.zeros(2, 6))


@pytest.mark.parametrize("balanced", [False, True])
def test_onnx_runtime_computes_what_the_module_computes(balanced: bool) -> None:
    import onnxruntime

    class Embedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            weight = torch.randint(-127, 128, (10, 3), dtype=torch.int8, generator=generator)
            balance = torch.rand(10, generator=generator) + 0.5 if balanced else None
            self.product = Int8Linear(
                weight, torch.tensor([0.01, 0.02, 0.005]), torch.tensor([1.0, 0.0, -1.0]), balance
            )

        def forward(self, waveform: Tensor) -> Tensor:
            embedding: Tensor = self.product(waveform[:, :10])
            return embedding

    module = Embedding()
    model = trace(module, ModelInfo("one product", samples=20, dimensions=3, opset=23))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    waveform = np.random.default_rng(0).uniform(-1.0, 1.0, (4, 20)).astype(np.float32)
    (found,) = session.run(["embedding"], {"waveform": waveform})
    np.testing.assert_allclose(found, module(torch.from_numpy(waveform)).numpy(), atol=1e-5)


def test_rounding_with_feedback_is_gptq() -> None:
    """Against the definition: after each weight, the rest becomes what fits the exact product best (least squares).

    The inputs are so alike that a damping of half or twice a hundredth rounds some weights otherwise.
    """
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(50, 3, generator=generator) @ torch.randn(3, 12, generator=generator)
    inputs += 0.1 * torch.randn(50, 12, generator=generator)
    weight = 20.0 * torch.randn(12, 40, generator=generator)

    def rounded(damping: float) -> Tensor:
        moments = (inputs.T @ inputs).double() / len(inputs)
        moments += damping * moments.diagonal().mean() * torch.eye(12, dtype=torch.float64)
        left = weight.double().clone()
        for row in range(12):
            error = left[row] - left[row].round()
            left[row] = left[row].round()
            rest = slice(row + 1, 12)
            left[rest] += torch.linalg.solve(moments[rest, rest], moments[rest, row, None] * error)
        return left

    found = round_with_feedback(weight, inputs)
    torch.testing.assert_close(found.double(), rounded(0.01))
    assert not torch.equal(rounded(0.005), rounded(0.01))
    assert not torch.equal(rounded(0.02), rounded(0.01))
    nearest = float((inputs @ (weight.round() - weight)).square().mean())
    assert float((inputs @ (found - weight)).square().mean()) < 0.3 * nearest


@pytest.fixture
def any_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "MAX_ERROR_OVER_SPREAD", np.inf)
    monkeypatch.setattr(parity, "MAX_NEAREST_CHANGE", np.inf)


@pytest.mark.usefixtures("any_cost")
def test_a_few_loud_channels_are_balanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tiny_weights(TINY)
    for index in range(TINY["encoder_layers"]):
        weights[f"encoder.layers.{index}.final_layer_norm.weight"][3] *= 30.0
    path = tmp_path / "loud.pt"
    torch.save({"cfg": TINY, "model": weights}, path)
    module, _ = build_beats(path, "mean", layers=2, window_s=WINDOW_S)
    clips = generated_clips(SAMPLES)

    def rounded() -> tuple[BeatsEmbedder, float]:
        found = to_int8(module, clips.calibration, clips.check)
        return found, Certificate.of(embed(found, clips.check), embed(module, clips.check)).max_error_over_spread

    balanced, error = rounded()
    second = cast(EncoderLayer, balanced.encoder.layers[1])
    query, key = cast(Int8Linear, second.query), cast(Int8Linear, second.key)
    assert query.balance is not None
    assert query.balance.argmin() == 3
    assert key.balance is query.balance  # one multiplication for all three
    # SmoothQuant's equation 4 with alpha = 1/2: each channel's largest input and largest weight become alike.
    heard: list[Tensor] = []
    exact = cast(EncoderLayer, module.encoder.layers[1])
    with exact.query.register_forward_pre_hook(lambda _, given: heard.append(given[0])):
        embed(module, clips.calibration)
    inputs = torch.cat(heard).abs().amax(dim=0)
    weights = torch.cat([product.weight for product in (exact.query, exact.key, exact.value)]).abs().amax(dim=0)
    torch.testing.assert_close(query.balance, (weights / inputs).sqrt(), rtol=0.05, atol=0.0)
    monkeypatch.setattr("asd_edge.export.beats.int8.BALANCE_GAIN", 0.0)
    _, unbalanced_error = rounded()
    assert error < 0.7 * unbalanced_error


@pytest.mark.parametrize(("mode", "window_s"), [("apart", WINDOW_S), ("concatenate", 2.0)])
def test_rounding_costs_little_and_leaves_the_module_alone(checkpoint: Path, mode: str, window_s: float) -> None:
    """Where no mean over mel blocks hides the error, more times must."""
    module, info = build_beats(checkpoint, "mean", layers=2, window_s=window_s, mel_block_mode=mode)
    clips = generated_clips(info.samples)
    before = embed(module, clips.check)
    rounded = to_int8(module, clips.calibration, clips.check)
    assert sum(isinstance(product, Int8Linear) for product in products(rounded)) >= 4  # half of the groups
    assert not any(isinstance(product, Int8Linear) for product in products(module))
    np.testing.assert_array_equal(embed(module, clips.check), before)
    found = embed(rounded, clips.check)
    assert 0.0 < Certificate.of(found, before).max_error_over_spread <= 0.02


@pytest.mark.usefixtures("any_cost")
def test_products_that_cost_most_stay_in_float(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, _ = build_beats(checkpoint, "mean", layers=2, window_s=WINDOW_S)
    clips = generated_clips(SAMPLES)
    expected = embed(module, clips.check)
    everything = Certificate.of(embed(to_int8(module, clips.calibration, clips.check), clips.check), expected)
    monkeypatch.setattr(parity, "MAX_ERROR_OVER_SPREAD", 0.9 * everything.max_error_over_spread)
    caplog.set_level("INFO", "asd_edge")
    rounded = to_int8(module, clips.calibration, clips.check)
    kept = sum(not isinstance(product, Int8Linear) for product in products(rounded))
    assert 1 <= kept <= 6
    assert any("stay in float32" in line for line in caplog.messages)
    found = Certificate.of(embed(rounded, clips.check), expected)
    assert found.max_error_over_spread <= 0.9 * everything.max_error_over_spread

    monkeypatch.setattr(parity, "MAX_ERROR_OVER_SPREAD", 1e-6)
    measured: list[Certificate] = []
    measure = Certificate.of

    def counted(found: NDArray[np.float32], exact: NDArray[np.float32]) -> Certificate:
        measured.append(measure(found, exact))
        return measured[-1]

    monkeypatch.setattr(Certificate, "of", counted)
    with pytest.raises(ModelError, match="8 bits change this model's embeddings too much"):
        to_int8(module, clips.calibration, clips.check)
    # All 11 groups of products in 8 bits, each of them alone in float32, then one more after the other up to half.
    assert len(measured) == 1 + 11 + 6


@pytest.mark.parametrize(("precision", "kind"), [("int8", onnx.TensorProto.INT8), ("fp16", onnx.TensorProto.FLOAT16)])
def test_a_smaller_model_by_the_program(
    run_main: Callable[..., Any], checkpoint: Path, tmp_path: Path, precision: str, kind: int
) -> None:
    path = tmp_path / "small.onnx"
    options = ("--checkpoint", checkpoint, "--pooling", "mean", "--layers", 2, "--window", WINDOW_S)
    done = run_main("export", "beats", *options, "--precision", precision, "--output", path)
    assert done.returncode == 0, done.stderr
    assert "in fp32, on 8 generated clips" in done.stdout
    graph = onnx.load(path).graph
    short = sum(np.prod(weight.dims) for weight in graph.initializer if weight.data_type == kind)
    assert short >= (24 * 24 * 6 if precision == "int8" else 2 * (4 * 24 * 24 + 2 * 24 * 40))
    module, _ = build_beats(checkpoint, "mean", layers=2, window_s=WINDOW_S)
    clips = generated_clips(SAMPLES)
    model = Model(path, threads=1)
    assert model.info.precision == precision
    found = np.stack([model.embed(clip).embedding for clip in clips.check])
    measured = Certificate.of(found, embed(module, clips.check))
    assert measured.max_error_over_spread == pytest.approx(model.info.parity["max_error_over_spread"], abs=2e-3)
    assert measured.within_limits


def test_recordings_calibrate_and_check(checkpoint: Path, tmp_path: Path) -> None:
    generated = generated_clips(2 * SAMPLES)
    folder = tmp_path / "pump"
    for index, clip in enumerate([*generated.calibration, *generated.check]):
        (folder / f"{index % 2}").mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{index % 2}" / f"{index}.wav", clip, 16_000)
    clips = recorded_clips(folder, SAMPLES)
    assert (len(clips.calibration), len(clips.check)) == (16, 16)
    assert not {clip.tobytes() for clip in clips.calibration} & {clip.tobytes() for clip in clips.check}
    info = export_beats(
        BeatsExport(
            checkpoint, tmp_path / "m.onnx", "mean", layers=1, window_s=WINDOW_S, precision="fp32", calibration=folder
        )
    )
    assert info.parity_clips == "16 windows of pump"
    # Of more files than are taken, the last are heard like the first.
    for index in range(31):
        soundfile.write(folder / f"quiet {index:02d}.wav", np.full(2 * SAMPLES, 0.01), 16_000)
    spread = recorded_clips(folder, SAMPLES)
    loud = np.abs(np.concatenate([spread.calibration, spread.check])).max(axis=1) > 0.02
    assert 8 <= int(loud.sum()) <= 14
    for missing in (tmp_path / "nowhere", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="too little sound to calibrate with"):
            recorded_clips(missing, SAMPLES)


def test_what_cannot_be_exported(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such precision"):
        export_beats(BeatsExport(checkpoint, tmp_path / "m.onnx", precision="int4"))
    for precision, target in (("int8", "cuda"), ("fp16", "cpu"), ("fp32", "npu")):
        with pytest.raises(InputError, match=f"no graph in {precision} for this target"):
            export_beats(BeatsExport(checkpoint, tmp_path / "m.onnx", precision=precision, target=target))
    monkeypatch.setattr(parity, "MAX_NEAREST_CHANGE", 1e-9)
    with pytest.raises(ModelError, match="fp16 is too far from the one in fp32"):
        export_beats(
            BeatsExport(checkpoint, tmp_path / "m.onnx", "mean", layers=1, window_s=WINDOW_S, precision="fp16")
        )
    assert list(tmp_path.iterdir()) == []


def test_less_than_all_steps_of_rounding_costs_more(checkpoint: Path) -> None:
    """Rounding to the nearest, and a corrected bias alone, as the study of the steps compares them."""
    module, info = build_beats(checkpoint, "mean", window_s=WINDOW_S)
    clips = generated_clips(info.samples)
    expected = embed(module, clips.check)
    errors = [
        Certificate.of(embed(round_everything(module, clips.calibration, rounding), clips.check), expected)
        for rounding in (Rounding(False, False, False), Rounding(False, False, True), Rounding())
    ]
    assert errors[0].max_error_over_spread > errors[1].max_error_over_spread > errors[2].max_error_over_spread
