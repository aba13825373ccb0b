"""Where a model's time goes, by the profile of its nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from linear_model import SAMPLES, write_linear_model

from asd_edge.benchmarks.bench.measures.node_times import node_times
from asd_edge.runtime.inference.model import Model, shipped_model_path


def test_nearly_all_of_the_default_model_is_its_spectrogram() -> None:
    windows = np.random.default_rng(0).normal(0.0, 0.1, (1, 160_000)).astype(np.float32)
    found = node_times(shipped_model_path(), 1, windows)
    assert found is not None
    assert found.front_end_s > found.encoder_s > 0.0


def test_a_graph_without_a_spectrogram_does_not_tell(tmp_path: Path) -> None:
    path = write_linear_model(tmp_path / "linear.onnx")
    assert node_times(path, 1, np.zeros((2, SAMPLES), np.float32)) is None


def test_profiling_leaves_nothing_behind(short_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    node_times(short_model.path, 1, np.zeros((1, short_model.info.samples), np.float32))
    assert not list(tmp_path.iterdir())
