"""What a model takes, what it gives, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from linear_model import write_linear_model

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime import Model


def test_windows_of_a_batch_come_out_as_they_do_alone(short_model: Model) -> None:
    windows = np.random.default_rng(0).normal(0.0, 0.1, (3, short_model.info.samples)).astype(np.float32)
    together = short_model.embed_batch(windows)
    assert len(together) == 3
    for window, embedded in zip(windows, together, strict=True):
        np.testing.assert_allclose(embedded.embedding, short_model.embed(window).embedding, rtol=1e-3, atol=1e-5)


def test_samples_of_another_floating_type_are_converted(short_model: Model) -> None:
    """`soundfile.read` gives float64."""
    samples = np.random.default_rng(0).normal(0.0, 0.1, short_model.info.samples)
    expected = short_model.embed(samples.astype(np.float32)).embedding
    np.testing.assert_array_equal(short_model.embed(samples).embedding, expected)  # type: ignore[arg-type]
    (embedded,) = short_model.embed_batch(samples[None])  # type: ignore[arg-type]
    np.testing.assert_array_equal(embedded.embedding, expected)


@pytest.mark.parametrize(
    ("samples", "got", "advice"),
    [
        (np.zeros(15_999, np.float32), "shape (15999,), float32", "cut the sound into windows"),
        (np.zeros((1, 16_000), np.float32), "shape (1, 16000), float32", "cut the sound"),
        (np.float32(0.0), "an object of the type float32", "numpy.asarray"),
        (np.zeros(0, np.float32), "shape (0,), float32", "cut the sound"),
        (np.zeros(16_000, np.int16), "shape (16000,), int16", "/ 32768 for int16"),
        (np.zeros(16_000, np.complex64), "shape (16000,), complex64", "real numbers"),
        (np.zeros(16_000, np.str_), "shape (16000,), <U1", "real numbers"),
        ([0.0] * 16_000, "an object of the type list", "numpy.asarray(samples, numpy.float32)"),
        (None, "an object of the type NoneType", "numpy.asarray"),
        ("hum.wav", "an object of the type str", "numpy.asarray"),
    ],
)
def test_what_is_no_window_is_refused(samples: Any, got: str, advice: str, short_model: Model) -> None:
    with pytest.raises(InputError, match="no window of the shape and type") as refused:
        short_model.embed(samples)
    assert got in refused.value.got
    assert "16000" in refused.value.valid
    assert advice in refused.value.next_step


@pytest.mark.parametrize(
    "windows",
    [
        np.zeros((2, 15_999), np.float32),
        np.zeros(16_000, np.float32),
        np.zeros((0, 16_000), np.float32),
        np.array(1.0),
        np.zeros((2, 16_000), np.int16),
        np.zeros((1, 2, 16_000), np.float32),
        [np.zeros(16_000, np.float32)],
    ],
)
def test_a_batch_of_another_shape_or_type_is_refused(windows: Any, short_model: Model) -> None:
    with pytest.raises(InputError, match="no window of the shape and type"):
        short_model.embed_batch(windows)


def test_an_onnx_file_of_another_program_is_sent_to_adopt(tmp_path: Path) -> None:
    path = write_linear_model(tmp_path / "pump.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ModelError, match="does not describe itself") as refused:
        Model(path)
    assert f"asd-edge adopt {path}" in refused.value.next_step


def test_memory_that_only_a_run_needs_is_given_back_while_the_next_is_waited_for(attentive: Path) -> None:
    """The same numbers come out, whether the memory was given back before or not."""
    model = Model(attentive, "cpu", 1)
    window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
    after_a_wait = model.embed(window).embedding
    at_once = model.embed(window).embedding
    np.testing.assert_array_equal(after_a_wait, at_once)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts the threads of this process by Linux's files")
def test_no_more_threads_than_processors(short_model_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand that wait for each other need ten seconds for a window."""
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    model = Model(short_model_path, "cpu", threads=1000)
    assert len(list(tasks.iterdir())) - before < (os.cpu_count() or 1)
    assert "no more threads" in caplog.text
    del model
