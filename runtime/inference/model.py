"""The model on the device: an ONNX file and the execution provider that runs it."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference import glibc_heap
from asd_edge.runtime.inference.device_cache import DeviceCache
from asd_edge.runtime.inference.provider_choice import Starter
from asd_edge.runtime.inference.providers import Nodes, describe_nodes, import_onnxruntime, start_on

DEFAULT_MODEL = "logmel"
"""The model inside the package, see `asd_edge.export.systems.logmel`."""

_WAITED_S = 2.0
"""A process that waits that long between windows gives back what a run needed besides the weights: 50 MB for BEATs. To
get it again costs 12 ms of processor time a window, which is nothing beside the wait and too much without one."""


class Model:
    """An ONNX model of the contract in `asd_edge.calibration.contract.model_info`, loaded and ready.

    Args:
        model: Path of an ``.onnx`` file, or ``logmel`` for the model inside the package.
        provider: ``auto``, ``cpu``, ``cuda``, ``tensorrt``, ``openvino`` or ``coreml``. One that is asked for is used,
            or it is an error; ``auto`` takes the best that runs all of the model's products of matrices.
        threads: Threads within one operator on the CPU; 0 takes one per physical core.
        batch: Windows that are embedded at once where a GPU runs the model; on the CPU it may be any number.
        cache: Keep a cache beside a large model that runs on the CPU, and start from it, see
            `asd_edge.runtime.inference.device_cache`. To build it takes
            seconds, at the first start. With TensorRT, keep the engine that it builds.
        tell: Takes a sentence while the model starts: a cache or an engine is built, or nodes stay on the CPU that
            should not.

    Attributes:
        path: Where the model is.
        sha256: Its digest.
        provider: The execution provider that runs it.
        nodes: How many nodes of the graph each provider runs, ``{"cuda": {"MatMul": 74, ...}, "cpu": ...}``; empty with
            ONNX Runtime before 1.24, which does not tell.
        how: In which way a GPU runs it, in words: ``one CUDA graph``, or why it is none; empty elsewhere.
        info: What the model says of itself.
        description: The model in words.

    Raises:
        ModelError: ONNX Runtime is not installed, the file is missing or no such model, or the provider does not run
            it here.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        provider: str = "auto",
        threads: int = 0,
        *,
        batch: int = 1,
        cache: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        if threads < 0:
            raise ModelError(
                "The number of threads is negative.",
                got=threads,
                valid="1 or more, or 0 for one per physical core",
                next_step="try --threads 1",
            )
        path = embedded_model_path() if str(model) == DEFAULT_MODEL else Path(model)
        if not path.is_file():
            raise ModelError(
                "There is no model file at this path.",
                got=path,
                valid=f"an .onnx file made by `asd-edge export`, or '{DEFAULT_MODEL}' for the one inside the package",
                next_step=f"check the path, or leave --model away to use {DEFAULT_MODEL}",
            )
        self.path = path
        if cache:
            kept = DeviceCache(path, tell)
            self.sha256 = kept.sha256()
            start_on_cpu = functools.partial(kept.start, threads)
            engines = path.with_name(f"{path.name}.tensorrt") / self.sha256
        else:
            self.sha256 = file_sha256(path)
            start_on_cpu = functools.partial(start_on, path, "cpu", threads)
            engines = None
        started = Starter(path, threads, batch, engines, start_on_cpu, tell).start(provider)
        self.provider = started.provider
        self.nodes: Nodes = started.nodes
        self.how = started.how
        self._buffers = started.buffers
        self._session = started.session
        self.info = _checked_info(self._session, path)
        self.description = f"{self.info.recipe} ({path.name})"
        self._ended_s = -math.inf
        self._thrifty = import_onnxruntime().RunOptions()
        self._thrifty.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    @property
    def placement(self) -> str:
        """Where the nodes run, in words: ``cuda 367, cpu 12 (12 Attention)``."""
        return describe_nodes(self.nodes) + (f"; {self.how}" if self.how else "")

    @property
    def copied_s(self) -> float | None:
        """Seconds that copying took in the last call, to a GPU and back; none where the processor runs the model."""
        return self._buffers.copied_s if self._buffers else None

    def embed(self, samples: FloatArray) -> ModelOutput:
        """Embed one window.

        Args:
            samples: (samples,) float32 in [-1, 1] at 16 kHz, as long as ``info.samples``.

        Returns:
            The embedding, and how badly the window was rebuilt where the model is an autoencoder.
        """
        return self.embed_batch(samples[None, :])[0]

    def embed_batch(self, windows: FloatArray) -> list[ModelOutput]:
        """Embed several windows at once, which pays where a GPU runs the model.

        Args:
            windows: (windows, samples), each as in `embed`; as many as `batch` where a GPU runs the model.

        Raises:
            ValueError: A GPU runs it, and they are not.
        """
        if self._buffers is not None:
            return _embedded_windows(*self._buffers.run(self.info.scored, windows))
        waited = self.provider == "cpu" and time.monotonic() - self._ended_s > _WAITED_S
        outputs = self._session.run(self.info.scored, {"waveform": windows}, self._thrifty if waited else None)
        if waited:
            glibc_heap.give_back()
        self._ended_s = time.monotonic()
        return _embedded_windows(*outputs)


def _embedded_windows(embeddings: FloatArray, errors: FloatArray | None = None) -> list[ModelOutput]:
    """What a model's outputs say of each window.

    Args:
        embeddings: (windows, dim)
        errors: (windows,) where the model is an autoencoder.
    """
    if errors is None:
        return [ModelOutput(embedding) for embedding in embeddings]
    return [ModelOutput(embedding, float(error)) for embedding, error in zip(embeddings, errors, strict=True)]


def embedded_model_path() -> Path:
    """The model file inside the package."""
    return Path(__file__).parent / "models" / f"{DEFAULT_MODEL}.onnx"


def _checked_info(session: Any, path: Path) -> ModelInfo:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(
            "The ONNX file does not describe itself, so it is not a model of this program.",
            got=path,
            valid=f"an .onnx file with the metadata key '{METADATA_KEY}'",
            next_step="make one with `asd-edge export`",
        )
    info = ModelInfo.from_json(text)
    # What follows the batch in each shape.
    expected: dict[str, list[int]] = {"waveform": [info.samples], "embedding": [info.dimensions]}
    if info.reconstruction:
        expected["reconstruction_error"] = []
    found = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    for name, lengths in expected.items():
        shape: Sequence[Any] | None = found.get(name)
        if not shape or list(shape[1:]) != lengths:
            raise ModelError(
                f"The model's '{name}' does not have the shape that its description promises.",
                got=f"{path}: {list(shape) if shape is not None else 'missing'}",
                valid=f"({', '.join(['batch', *map(str, lengths)])})",
                next_step="export the model again",
            )
    return info
