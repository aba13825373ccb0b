"""A model on a GPU the way that costs least: buffers that stay where they are, and all its work as one CUDA graph.

A CUDA graph is recorded once and launched as a whole, instead of every kernel by itself; it wants the same shapes and
the same addresses every time, and every node on the GPU. Where a model does not allow it, it runs without.

TensorRT builds an engine for the model and this GPU while it starts, which takes minutes for a large one; it is kept
beside the model, in ``pump.onnx.tensorrt``, which may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference.providers import Started, cannot_run, import_onnxruntime, start_on

GRAPH_SETTINGS = {"cuda": {"enable_cuda_graph": "1"}, "tensorrt": {"trt_cuda_graph_enable": "1"}}
"""Providers that run on an NVIDIA GPU, and how each is asked for a CUDA graph."""
_RECORDING_RUNS = 3
"""ONNX Runtime runs twice before it records, so that memory is where it will be."""


class FixedBuffers:
    """A session that reads its input from one place and writes its outputs to others.

    Args:
        session: ONNX Runtime's, with its batch fixed.
        device: Where the buffers are: ``cuda`` or ``cpu``.

    Attributes:
        copied_s: Seconds that the last run took to copy its input to the GPU and the outputs back.
    """

    def __init__(self, session: Any, device: str) -> None:
        onnxruntime = import_onnxruntime()

        def buffer(value: Any) -> Any:
            return onnxruntime.OrtValue.ortvalue_from_shape_and_type(value.shape, np.float32, device, 0)

        self.copied_s = 0.0
        self._session = session
        self._binding = session.io_binding()
        (waveform,) = session.get_inputs()
        self._shape = tuple(waveform.shape)
        self._input = buffer(waveform)
        self._binding.bind_ortvalue_input(waveform.name, self._input)
        self._outputs = {value.name: buffer(value) for value in session.get_outputs()}
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, names: Sequence[str], windows: FloatArray) -> list[FloatArray]:
        """Run the model.

        Args:
            names: Of the outputs to copy back.
            windows: (batch, samples)

        Raises:
            ValueError: It is another number of windows than the batch.
        """
        if windows.shape != self._shape:
            raise ValueError(f"{windows.shape} given to a model that was started for {self._shape}")
        began = time.perf_counter()
        self._input.update_inplace(np.ascontiguousarray(windows))
        copied = time.perf_counter()
        self._session.run_with_iobinding(self._binding)
        ran = time.perf_counter()
        outputs = [self._outputs[name].numpy() for name in names]
        self.copied_s = time.perf_counter() - ran + copied - began
        return outputs


def start_on_gpu(path: Path, provider: str, batch: int, engines: Path | None) -> Started:
    """Start a model on a GPU, with a CUDA graph where it allows one.

    Args:
        path: The ONNX file.
        provider: One of `GRAPH_SETTINGS`.
        batch: Windows in every run.
        engines: Folder for what TensorRT builds for just this model; it builds anew at every start without one.

    Raises:
        ModelError: The provider does not run the model here.
    """
    settings = _keeping_engines(engines) if provider == "tensorrt" else {}
    try:
        return replace(_started(path, provider, batch, settings | GRAPH_SETTINGS[provider]), how="one CUDA graph")
    except ModelError as error:
        refused = error.got
    return replace(_started(path, provider, batch, settings), how=f"no CUDA graph: {refused}")


def _started(path: Path, provider: str, batch: int, settings: Mapping[str, str]) -> Started:
    """Start it and let it run, so that a CUDA graph is recorded.

    Raises:
        ModelError: It does not start, or does not run.
    """
    started = start_on(path, provider, 0, settings=settings, batch=batch)
    try:
        buffers = FixedBuffers(started.session, "cuda")
        (waveform,) = started.session.get_inputs()
        for _ in range(_RECORDING_RUNS):
            buffers.run([], np.zeros(waveform.shape, np.float32))
    except Exception as error:
        raise cannot_run(provider, error, "try a smaller model or --provider cpu") from error
    return replace(started, buffers=buffers)


def _keeping_engines(folder: Path | None) -> dict[str, str]:
    """Settings for TensorRT; engines of what the model was before are deleted, as it would not notice."""
    if folder is None:
        return {}
    import shutil  # takes milliseconds of every start

    with contextlib.suppress(OSError):  # read-only, for one
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
    return {}
