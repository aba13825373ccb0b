"""A model on a GPU the way that costs least: buffers that stay where they are, and all its work as one CUDA graph.

A CUDA graph is recorded once and launched as a whole, instead of every kernel by itself; it wants the same shapes and
the same addresses every time, and every node on the GPU. Where a model does not allow it, it runs without.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.calibration.embedded import Embedded, FloatArray
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.model_info import ModelInfo
from asd_edge.runtime.model import embedded_windows
from asd_edge.runtime.providers import Started, import_onnxruntime, require_installed, start_on

GRAPH_SETTINGS = {"cuda": {"enable_cuda_graph": "1"}, "tensorrt": {"trt_cuda_graph_enable": "1"}}
"""Providers that run on an NVIDIA GPU, and how each is asked for a CUDA graph."""
_RECORDING_RUNS = 3
"""ONNX Runtime runs twice before it records, so that memory is where it will be."""


class FixedBuffers:
    """A session that reads its input from one place and writes its outputs to others.

    Args:
        session: ONNX Runtime's.
        info: Of its model.
        batch: Windows in every run.
        device: Where the buffers are: ``cuda`` or ``cpu``.
    """

    def __init__(self, session: Any, info: ModelInfo, batch: int, device: str) -> None:
        onnxruntime = import_onnxruntime()
        shapes = {"embedding": (batch, info.dimensions), "reconstruction_error": (batch,)}
        self._session = session
        self._binding = session.io_binding()
        self._input = onnxruntime.OrtValue.ortvalue_from_shape_and_type((batch, info.samples), np.float32, device, 0)
        self._binding.bind_ortvalue_input("waveform", self._input)
        self._outputs = []
        for name in info.outputs:
            if name in info.scored:
                value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shapes[name], np.float32, device, 0)
                self._binding.bind_ortvalue_output(name, value)
                self._outputs.append(value)

    def embed_batch(self, windows: FloatArray) -> tuple[list[Embedded], float]:
        """Embed windows, and say how many seconds their copy to the GPU and that of the outputs back took.

        Args:
            windows: (batch, samples), each as in `Model.embed`.
        """
        began = time.perf_counter()
        self._input.update_inplace(windows)
        copied = time.perf_counter()
        self._session.run_with_iobinding(self._binding)
        ran = time.perf_counter()
        outputs = [value.numpy() for value in self._outputs]
        return embedded_windows(*outputs), time.perf_counter() - ran + copied - began


def start_with_buffers(
    path: Path, provider: str, info: ModelInfo, batch: int
) -> tuple[Started, FixedBuffers, str | None]:
    """Start a model on a GPU, with a CUDA graph where it allows one.

    Args:
        path: The ONNX file.
        provider: One of `GRAPH_SETTINGS`.
        info: Of the model.
        batch: Windows in every run; TensorRT builds an engine for just that while it starts.

    Returns:
        The session, its buffers, and why there is no CUDA graph; none where there is one.

    Raises:
        ModelError: The provider does not run the model here.
    """
    require_installed(provider)
    settings = _fixed_shape(info, batch) if provider == "tensorrt" else {}
    try:
        return *_started(path, provider, info, batch, settings | GRAPH_SETTINGS[provider]), None
    except Exception as error:  # noqa: BLE001  recording fails in as many ways as there are drivers
        refused = error.got if isinstance(error, ModelError) else str(error).strip().splitlines()[0]
    return *_started(path, provider, info, batch, settings), refused


def _started(
    path: Path, provider: str, info: ModelInfo, batch: int, settings: dict[str, str]
) -> tuple[Started, FixedBuffers]:
    started = start_on(path, provider, 0, settings=settings)
    buffers = FixedBuffers(started.session, info, batch, "cuda")
    for _ in range(_RECORDING_RUNS):
        buffers.embed_batch(np.zeros((batch, info.samples), np.float32))
    return started, buffers


def _fixed_shape(info: ModelInfo, batch: int) -> dict[str, str]:
    """With its shapes known, TensorRT builds its engine while the session starts, and not in the first window."""
    shape = f"waveform:{batch}x{info.samples}"
    return {f"trt_profile_{bound}_shapes": shape for bound in ("min", "opt", "max")}
