"""Buffers that stay where they are give what a plain run gives; tried on the CPU, where the memory is, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asd_edge.benchmarks import fixed_buffers
from asd_edge.benchmarks.fixed_buffers import FixedBuffers, start_with_buffers
from asd_edge.calibration.errors import ModelError
from asd_edge.runtime import Model
from asd_edge.runtime.model import embedded_model_path
from asd_edge.runtime.providers import Started, start_on


@pytest.mark.parametrize("batch", [1, 3])
def test_every_batch_gives_what_a_plain_run_gives(batch: int, short_model: Model) -> None:
    info = short_model.info
    buffers = FixedBuffers(start_on(short_model.path, "cpu", 1).session, info, batch, "cpu")
    rng = np.random.default_rng(0)
    for _ in range(2):
        windows = rng.normal(0.0, 0.1, (batch, info.samples)).astype(np.float32)
        embedded, copy_s = buffers.embed_batch(windows)
        expected = [each.embedding for each in short_model.embed_batch(windows)]
        np.testing.assert_array_equal([each.embedding for each in embedded], expected)
        assert copy_s > 0.0


class Pretended:
    """A GPU provider: the CPU with notes of what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: str | None = None) -> None:
        self.asked: list[dict[str, str]] = []

        def start(path: Path, provider: str, threads: int, *, settings: dict[str, str]) -> Started:
            self.asked.append(settings)
            if refuses is not None and refuses in settings:
                raise ModelError("It cannot.", got="not all nodes are on the GPU")
            return Started(provider, start_on(path, "cpu", threads).session, {provider: {"MatMul": 3}})

        buffers = FixedBuffers
        monkeypatch.setattr(fixed_buffers, "start_on", start)
        monkeypatch.setattr(fixed_buffers, "require_installed", lambda _: None)
        monkeypatch.setattr(
            fixed_buffers, "FixedBuffers", lambda session, info, batch, _: buffers(session, info, batch, "cpu")
        )


def test_a_cuda_graph_is_asked_for_and_gone_without(monkeypatch: pytest.MonkeyPatch, short_model: Model) -> None:
    gpu = Pretended(monkeypatch)
    _, _, refused = start_with_buffers(short_model.path, "cuda", short_model.info, 1)
    assert (gpu.asked, refused) == ([{"enable_cuda_graph": "1"}], None)
    gpu = Pretended(monkeypatch, refuses="enable_cuda_graph")
    _, _, refused = start_with_buffers(short_model.path, "cuda", short_model.info, 1)
    assert (gpu.asked, refused) == ([{"enable_cuda_graph": "1"}, {}], "not all nodes are on the GPU")


def test_tensorrt_knows_the_shape_while_it_starts(monkeypatch: pytest.MonkeyPatch, short_model: Model) -> None:
    gpu = Pretended(monkeypatch)
    start_with_buffers(short_model.path, "tensorrt", short_model.info, 4)
    shape = "waveform:4x16000"
    assert gpu.asked == [
        {
            "trt_profile_min_shapes": shape,
            "trt_profile_opt_shapes": shape,
            "trt_profile_max_shapes": shape,
            "trt_cuda_graph_enable": "1",
        }
    ]


def test_a_provider_that_is_not_here_is_refused(short_model: Model) -> None:
    with pytest.raises(ModelError, match="has no cuda provider"):
        start_with_buffers(embedded_model_path(), "cuda", short_model.info, 1)
