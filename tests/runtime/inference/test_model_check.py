"""Files that are not the models they say they are: refused at the start, by one clear message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_models import DIMENSIONS, SAMPLES, write_odd_model
from program import Run

from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime import Model

INFO = json.loads(ModelInfo("odd", SAMPLES, DIMENSIONS).to_json())
REBUILDS = json.dumps(INFO | {"reconstruction": True})
PATCHES = json.dumps(INFO | {"patch_grid": [2, 3]})
TO_HALF = "embedding = Cast <to = 10> (product)"

BROKEN: dict[str, tuple[dict[str, str], str, str]] = {
    "integers in": (
        {"given": "int16[batch, 1600] waveform", "begin": "sound = Cast <to = 1> (waveform)"},
        "'waveform' is not in float32",
        "tensor(int16)",
    ),
    "doubles in": (
        {"given": "double[batch, 1600] waveform", "begin": "sound = Cast <to = 1> (waveform)"},
        "'waveform' is not in float32",
        "tensor(double)",
    ),
    "halves out": (
        {"result": "float16[batch, 4] embedding", "end": TO_HALF},
        "'embedding' is not in float32",
        "tensor(float16)",
    ),
    "a second input": (
        {"given": "float[batch, 1600] waveform, float[1] gain", "begin": "sound = Mul (waveform, gain)"},
        "more than a window of sound",
        "gain",
    ),
    "another name": (
        {"given": "float[batch, 1600] audio", "begin": "sound = Identity (audio)"},
        "'waveform' does not have the shape",
        "missing",
    ),
    "a batch of 4": (
        {"given": "float[4, 1600] waveform", "result": "float[4, 4] embedding"},
        "a fixed number of windows at once",
        ": 4",
    ),
    "a window of any length": (
        {"given": "float[batch, n] waveform"},
        "'waveform' does not have the shape",
        "['batch', 'n']",
    ),
    "no batch": (
        {"given": "float[1600] waveform", "result": "float[4] embedding"},
        "'waveform' does not have the shape",
        "[1600]",
    ),
    "one more rank out": (
        {
            "result": "float[batch, 1, 4] embedding",
            "end": "axis = Constant <value = int64[1] {1}> ()\nembedding = Unsqueeze (product, axis)",
        },
        "'embedding' does not have the shape",
        "['batch', 1, 4]",
    ),
    "an embedding of another length": (
        {"described": json.dumps(INFO | {"dimensions": 5})},
        "'embedding' does not have the shape",
        "['batch', 4]",
    ),
    "no reconstruction error": ({"described": REBUILDS}, "'reconstruction_error' does not have the shape", "missing"),
    "no patch weights": ({"described": PATCHES}, "'patch_weights' does not have the shape", "missing"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_model_that_breaks_the_contract_is_refused_at_the_start(broken: str, tmp_path: Path) -> None:
    parts, what, got = BROKEN[broken]
    with pytest.raises(ModelError, match=what) as refused:
        Model(write_odd_model(tmp_path / "odd.onnx", **parts), threads=1)
    assert got in refused.value.got
    assert refused.value.next_step == "export or adopt the model again"


DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "text for samples": {"samples": "1600"},
    "true for samples": {"samples": True},
    "no whole number of samples": {"samples": 1600.0},
    "hours": {"samples": 10**9},
    "more numbers than memory": {"dimensions": 10**15},
    "dimensions below 0": {"dimensions": -4},
    "a list as recipe": {"recipe": ["odd"]},
    "a number as scorer": {"scorer": 3},
    "an object as precision": {"precision": {}},
    "text as reconstruction": {"reconstruction": "no"},
    "a grid of one": {"patch_grid": [3]},
    "a grid of three": {"patch_grid": [1, 2, 3]},
    "a grid of text": {"patch_grid": ["a", "b"]},
    "a grid that is a number": {"patch_grid": 4},
    "a grid of nothing": {"patch_grid": [0, 4]},
    "a list as parity": {"parity": [1.0]},
    "text in the parity": {"parity": {"min_cosine": "one"}},
    "not a number in the parity": {"parity": {"min_cosine": float("nan")}},
    "layers without end": {"layers": 10**30},
    "a rate of text": {"sample_rate_hz": "16000"},
    "an opset of text": {"opset": "18"},
    "a megabyte": {"parity_clips": "x" * 1_000_000},
    "a checkpoint that is a number": {"checkpoint_sha256": 12},
    "a format below 0": {"format": -1},
}


@pytest.mark.parametrize("broken", DESCRIPTIONS)
def test_a_description_with_another_type_size_or_value_is_refused(broken: str, tmp_path: Path) -> None:
    path = write_odd_model(tmp_path / "odd.onnx", described=json.dumps(INFO | DESCRIPTIONS[broken]))
    with pytest.raises(ModelError, match="The model's description cannot be read") as refused:
        Model(path, threads=1)
    assert len(str(refused.value)) < 1000


def test_metadata_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write_odd_model(tmp_path / "odd.onnx", described="~~~~")
    path.write_bytes(path.read_bytes().replace(b"~~~~", b"\xff\xfe{}"))
    with pytest.raises(ModelError):
        Model(path, threads=1)


def test_a_name_of_a_dimension_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write_odd_model(tmp_path / "odd.onnx", "float[batch, 1600] waveform", "float[batch, 4] embedding")
    path.write_bytes(path.read_bytes().replace(b"batch", b"bat\xfch"))
    with pytest.raises(ModelError, match="metadata or names are no text"):
        Model(path, threads=1)


def test_a_batch_fixed_at_one_is_embedded_one_by_one(tmp_path: Path) -> None:
    path = write_odd_model(tmp_path / "odd.onnx", "float[1, 1600] waveform", "float[1, 4] embedding")
    model = Model(path, threads=1)
    assert model.embed(np.zeros(SAMPLES, np.float32)).embedding.shape == (DIMENSIONS,)
    with pytest.raises(InputError, match="no window of the shape and type"):
        model.embed_batch(np.zeros((2, SAMPLES), np.float32))


def test_a_shape_that_was_only_said_is_seen_when_the_model_runs(tmp_path: Path) -> None:
    """How many columns are chosen depends on the sound: the file may say what it likes."""
    chosen = """twice = Concat <axis = 1> (product, product)
        largest = ReduceMax <axes = [0], keepdims = 0> (twice)
        all = Equal (largest, largest)
        embedding = Compress <axis = 1> (twice, all)"""
    model = Model(write_odd_model(tmp_path / "odd.onnx", end=chosen), threads=1)
    with pytest.raises(ModelError, match="gives another 'embedding' than it promises") as refused:
        model.embed(np.zeros(SAMPLES, np.float32))
    assert refused.value.got == "float32 of shape (1, 8)"


def test_what_onnx_runtime_cannot_run_is_told(tmp_path: Path) -> None:
    """A reshape that fits no window."""
    begin = "shape = Constant <value = int64[2] {7, 1600}> ()\nsound = Reshape (waveform, shape)"
    path = write_odd_model(tmp_path / "odd.onnx", begin=begin, result="float[n, 4] embedding")
    with pytest.raises(ModelError) as refused:
        Model(path, threads=1).embed(np.zeros(SAMPLES, np.float32))
    assert "\n" not in refused.value.got


@pytest.mark.parametrize("arguments", [{"threads": 2_000_000}, {"threads": -1}, {"batch": 0}, {"batch": 10**9}])
def test_numbers_have_bounds_in_python(arguments: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="There is no such number of"):
        Model(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", ["2000000", "-1", "1025"])
def test_numbers_have_bounds_on_the_command_line(threads: str, run_main: Run, tmp_path: Path) -> None:
    done = run_main("score", tmp_path, "--bank", tmp_path / "bank.npz", "--threads", threads)
    assert done.returncode in (1, 2)
    assert "threads is out of its bounds" in done.stderr
    assert "Traceback" not in done.stderr
