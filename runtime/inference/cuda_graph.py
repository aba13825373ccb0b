"""A model on a GPU the way that costs least: buffers that stay where they are, and all its work as one CUDA graph.

A CUDA graph is recorded once and launched as a whole, instead of every kernel by itself. It needs the same shapes and
the same addresses every time, and every node on the GPU. Where a model does not allow it, the model runs without.

TensorRT builds an engine for the model and this GPU while it starts, which takes minutes for a large one; it is kept
beside the model, in ``pump.onnx.tensorrt``, which may be deleted at any time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference.session import FixedBuffers, Session, cannot_run, start_session

GRAPH_SETTINGS = {"cuda": {"enable_cuda_graph": "1"}, "tensorrt": {"trt_cuda_graph_enable": "1"}}
"""Providers that run on an NVIDIA GPU, and how each is asked for a CUDA graph."""
_RECORDING_RUNS = 3
"""ONNX Runtime runs twice before it records, so that memory is where it will be."""


def gpu_session(path: Path, provider: str, batch: int, engines: Path | None) -> Session:
    """Start a model on a GPU, with a CUDA graph where it allows one.

    Args:
        path: The ONNX file.
        provider: One of `GRAPH_SETTINGS`.
        batch: The number of windows in every run.
        engines: The folder for what TensorRT builds for just this model; without one it builds anew at every start.

    Raises:
        ModelError: The provider does not run the model here.
    """
    settings = _engine_settings(engines) if provider == "tensorrt" else {}
    try:
        with_graph = _warm_session(path, provider, batch, settings | GRAPH_SETTINGS[provider])
        return replace(with_graph, cuda_graph="one CUDA graph")
    except ModelError as error:
        refused = error.got
    return replace(_warm_session(path, provider, batch, settings), cuda_graph=f"no CUDA graph: {refused}")


def _warm_session(path: Path, provider: str, batch: int, settings: Mapping[str, str]) -> Session:
    """Start the model and let it run, so that a CUDA graph is recorded.

    Raises:
        ModelError: The model does not start, or does not run.
    """
    session = start_session(path, provider, 0, settings=settings, batch=batch)
    try:
        buffers = FixedBuffers(session.raw, "cuda")
        (waveform,) = session.raw.get_inputs()
        for _ in range(_RECORDING_RUNS):
            buffers.run([], np.zeros(waveform.shape, np.float32))
    except Exception as error:
        raise cannot_run(provider, error, "try a smaller model or --provider cpu") from error
    return replace(session, buffers=buffers)


def _engine_settings(folder: Path | None) -> dict[str, str]:
    """Make TensorRT's settings that keep engines in a folder.

    Engines of what the model was before are deleted, as TensorRT would not notice that it changed.
    """
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
