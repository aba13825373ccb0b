"""Buffers that stay where they are give what a plain run gives; tried on the CPU, where the memory is, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from linear_model import SAMPLES, linear_weights, write_linear_model
from logged import logged
from pretended_gpu import PretendedGpu

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime import Model
from asd_edge.runtime.inference import cuda_graph


@pytest.mark.parametrize("batch", [1, 3])
def test_every_batch_gives_what_the_model_computes(batch: int, linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PretendedGpu(monkeypatch)
    model = Model(linear, "cuda", batch=batch)
    rng = np.random.default_rng(0)
    for _ in range(2):
        windows = rng.normal(0.0, 0.1, (batch, SAMPLES)).astype(np.float32)
        embedded = model.embed_batch(windows)
        np.testing.assert_allclose(
            [each.embedding for each in embedded], windows @ linear_weights(0), rtol=0.0, atol=1e-5
        )
        assert model.copied_s is not None
        assert model.copied_s > 0.0


def test_another_number_of_windows_is_refused(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PretendedGpu(monkeypatch)
    with pytest.raises(InputError, match="no window of the shape") as refused:
        Model(linear, "cuda", batch=2).embed_batch(np.zeros((3, SAMPLES), np.float32))
    assert refused.value.got == "shape (3, 16000), float32"
    assert "(2, 16000)" in refused.value.valid


def test_a_cuda_graph_is_asked_for_and_gone_without(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = PretendedGpu(monkeypatch)
    model = Model(linear, "cuda")
    assert gpu.asked == [{"enable_cuda_graph": "1"}]
    assert model.placement == "cuda 3; one CUDA graph"
    gpu = PretendedGpu(monkeypatch, refuses="enable_cuda_graph")
    model = Model(linear, "cuda")
    assert gpu.asked == [{"enable_cuda_graph": "1"}, {}]
    assert model.placement == "cuda 3; no CUDA graph: not all nodes are on the GPU"


def test_a_gpu_that_cannot_run_what_it_loaded_is_named(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PretendedGpu(monkeypatch)

    def full(*_: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory\n  at somewhere")

    monkeypatch.setattr(cuda_graph, "FixedBuffers", full)
    with pytest.raises(ModelError, match="loads the model here and cannot run it") as refused:
        Model(linear, "cuda")
    assert refused.value.got == "CUDA failure 2: out of memory"
    with logged() as said:
        assert Model(linear, "auto").provider == "cpu"
    assert "out of memory" in said[0]


class TestTensorrt:
    """Its engines, which it takes minutes to build."""

    def test_keeps_engines_of_this_very_model_beside_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """TensorRT tells models apart by their graph, not by their weights."""
        path = write_linear_model(tmp_path / "pump.onnx")
        gpu = PretendedGpu(monkeypatch, "tensorrt")
        with logged() as said:
            first = Model(path, "tensorrt", cache=True)
        assert said == ["TensorRT builds an engine for pump.onnx and this GPU, which may take minutes ..."]
        folder = tmp_path / "pump.onnx.tensorrt" / first.sha256
        assert gpu.asked == [
            {
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": str(folder),
                "trt_cuda_graph_enable": "1",
            }
        ]
        (folder / "engine").write_bytes(b"built")
        with logged() as said:
            Model(path, "tensorrt", cache=True)
        assert said == []
        assert (folder / "engine").read_bytes() == b"built"
        write_linear_model(path, seed=1)
        second = Model(path, "tensorrt", cache=True)
        assert [kept.name for kept in folder.parent.iterdir()] == [second.sha256]

    def test_keeps_none_when_it_is_not_to(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_linear_model(tmp_path / "pump.onnx")
        gpu = PretendedGpu(monkeypatch, "tensorrt")
        Model(path, "tensorrt")
        assert gpu.asked == [{"trt_cuda_graph_enable": "1"}]
        assert [kept.name for kept in tmp_path.iterdir()] == ["pump.onnx"]

    def test_starts_where_none_can_be_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_linear_model(tmp_path / "pump.onnx")
        (tmp_path / "pump.onnx.tensorrt").touch()  # where the folder would be
        gpu = PretendedGpu(monkeypatch, "tensorrt")
        assert Model(path, "tensorrt", cache=True).provider == "tensorrt"
        assert gpu.asked == [{"trt_cuda_graph_enable": "1"}]
