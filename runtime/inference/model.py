"""The model on the device: an ONNX file and the execution provider that runs it."""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.probe import probe_sounds
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.calibration.value_types import checked
from asd_edge.calibration.wording import counted
from asd_edge.runtime.inference import glibc_heap
from asd_edge.runtime.inference.device_cache import DeviceCache
from asd_edge.runtime.inference.model_check import checked_info, fixed_batch, require_promised
from asd_edge.runtime.inference.model_files import files_outside, model_sha256
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL, MAX_THREADS
from asd_edge.runtime.inference.placement import Nodes, describe_nodes
from asd_edge.runtime.inference.provider_choice import ProviderChoice
from asd_edge.runtime.inference.providers import import_onnxruntime
from asd_edge.runtime.inference.session import cannot_run, start_session

log = logging.getLogger(__name__)

_WAITED_S = 2.0
"""A process that waits that long between windows gives back what a run needed besides the weights: 50 MB for BEATs. To
get it again costs 12 ms of processor time a window, which is nothing beside the wait and too much without one."""
_FLOAT32 = np.dtype(np.float32)
MAX_BATCH = 1024
"""More windows at once than any GPU gains from."""


class Model:
    """A model of the contract in `asd_edge.calibration.contract.model_info`, loaded and ready to run.

    While the model starts, the logger ``asd_edge.runtime.inference`` says when a cache or an engine is built, and when
    nodes stay on the CPU that should not.

    Args:
        model: The path of an ``.onnx`` file, or ``logmel`` for the model inside the package.
        provider: ``auto``, ``cpu``, ``cuda``, ``tensorrt``, ``openvino`` or ``coreml``. A provider that is asked for is
            used, or it is an error; ``auto`` takes the best that runs all of the model's products of matrices.
        threads: Threads within one operator on the CPU, at most one per processor; 0 takes one per physical core.
        batch: The number of windows that are embedded at once where a GPU runs the model; the CPU takes any number.
        cache: Whether a cache is kept beside a large model that runs on the CPU, and the model started from it, see
            `asd_edge.runtime.inference.device_cache`. The first start takes seconds more, to build it. With TensorRT,
            the engine that it builds is kept.

    Attributes:
        path: The path of the model file.
        sha256: The SHA-256 of that file; where its weights lie in files beside it, a digest of all of them.
        provider: The execution provider that runs the model.
        nodes: How many nodes of the graph each provider runs, ``{"cuda": {"MatMul": 74, ...}, "cpu": ...}``; empty with
            ONNX Runtime before 1.24, which does not tell.
        cuda_graph: Whether a GPU runs the model as ``one CUDA graph``, or why it does not; empty elsewhere.
        info: What the model says of itself.
        description: The model in words.

    Raises:
        ModelError: ONNX Runtime is not installed, the file is missing or no such model, or the provider does not run
            it here.
    """

    how_to_get = 'write Model("pump.onnx"), or Model() for the one inside the package'

    @checked
    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        provider: str = "auto",
        threads: int = 0,
        *,
        batch: int = 1,
        cache: bool = False,
    ) -> None:
        if not 0 <= threads <= MAX_THREADS:
            raise ModelError(
                "There is no such number of threads.",
                got=threads,
                valid=f"1 to {MAX_THREADS}, or 0 for one per physical core",
                next_step="try --threads 1",
            )
        if threads > (processors := os.cpu_count() or 1):
            log.warning("This computer has %s, and the model takes no more threads.", counted(processors, "processor"))
            threads = processors
        if not 1 <= batch <= MAX_BATCH:
            raise ModelError(
                "There is no such number of windows to embed at once.",
                got=batch,
                valid=f"1 to {MAX_BATCH}",
                next_step="leave batch away",
            )
        path = shipped_model_path() if str(model) == DEFAULT_MODEL else Path(model)
        if not path.is_file():
            raise ModelError(
                "There is no model file at this path.",
                got=path,
                valid=f"an .onnx file made by `asd-edge export` or `asd-edge adopt`, or '{DEFAULT_MODEL}' for the one "
                "inside the package",
                next_step=f"check the path, or leave --model away to use {DEFAULT_MODEL}",
            )
        self.path = path
        if cache:
            kept = DeviceCache(path)
            self.sha256 = kept.sha256()
            cpu_session = functools.partial(kept.cpu_session, threads)
            engines = path.with_name(f"{path.name}.tensorrt") / self.sha256
        else:
            self.sha256 = model_sha256(path, files_outside(path))
            cpu_session = functools.partial(start_session, path, "cpu", threads)
            engines = None
        self._session = ProviderChoice(path, threads, batch, engines, cpu_session).session(provider)
        self.provider = self._session.provider
        self.nodes: Nodes = self._session.nodes
        self.cuda_graph = self._session.cuda_graph
        self.info = checked_info(self._session.raw, path, batch if self._session.buffers is not None else 1)
        self._batch = fixed_batch(self._session.raw)
        self.description = f"{self.info.recipe} ({path.name})"
        self._ended_s = -math.inf
        self._probe: FloatArray | None = None
        self._thrifty = import_onnxruntime().RunOptions()
        self._thrifty.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    @property
    def placement(self) -> str:
        """Where the nodes run, in words: ``cuda 367, cpu 12 (12 Attention); one CUDA graph``."""
        return describe_nodes(self.nodes) + (f"; {self.cuda_graph}" if self.cuda_graph else "")

    @property
    def copied_s(self) -> float | None:
        """Seconds that copying took in the last call, to a GPU and back; none where the processor runs the model."""
        return self._session.buffers.copied_s if self._session.buffers else None

    def embed(self, samples: FloatArray) -> ModelOutput:
        """Embed one window.

        Args:
            samples: (samples,) float32 in [-1, 1] at 16 kHz, as long as ``info.samples``. An array of another floating
                type, such as the float64 of `soundfile.read`, is converted.

        Returns:
            The embedding, and how badly the window was rebuilt where the model is an autoencoder.

        Raises:
            InputError: The samples are no such array.
            ModelError: ONNX Runtime cannot run the model, or it gives something else than it promises.
        """
        if (
            not isinstance(samples, np.ndarray)
            or samples.shape != (self.info.samples,)
            or samples.dtype.kind != _FLOAT32.kind
        ):
            raise _unfit(samples, (self.info.samples,))
        return self.embed_batch(samples[None, :])[0]

    def probe(self) -> FloatArray:
        """Embed the known sounds by which a bank knows another file of the same model, (sounds, dim)."""
        if self._probe is None:
            sounds = probe_sounds(self.info.samples)
            self._probe = np.stack([self.embed_batch(sound[None])[0].embedding for sound in sounds])
        return self._probe

    def embed_batch(self, windows: FloatArray) -> list[ModelOutput]:
        """Embed several windows at once, which pays where a GPU runs the model.

        Args:
            windows: (windows, samples), each as in `embed`; as many as `batch` where a GPU runs the model, and one
                where the file allows no other number.

        Returns:
            What `embed` gives, for each window.

        Raises:
            InputError: The windows are no such array.
            ModelError: ONNX Runtime cannot run the model, or it gives something else than it promises.
        """
        if (
            not isinstance(windows, np.ndarray)
            or windows.ndim != 2
            or not windows.size
            or windows.shape != (self._batch or len(windows), self.info.samples)
            or windows.dtype.kind != _FLOAT32.kind
        ):
            raise _unfit(windows, (self._batch or "windows", self.info.samples))
        if windows.dtype != _FLOAT32:
            windows = windows.astype(np.float32)
        waited = self.provider == "cpu" and time.monotonic() - self._ended_s > _WAITED_S
        try:
            outputs = self._session.run(self.info.scored, windows, self._thrifty if waited else None)
        except Exception as error:
            raise cannot_run(self.provider, error, "export or adopt the model again, or try a smaller one") from error
        require_promised(self.info, outputs, len(windows))
        if waited:
            glibc_heap.give_back()
        self._ended_s = time.monotonic()
        return _outputs_of_windows(*outputs)


def shipped_model_path() -> Path:
    """Give the path of the model file inside the package."""
    return Path(__file__).parent / "models" / f"{DEFAULT_MODEL}.onnx"


def _unfit(given: object, shape: Sequence[object]) -> InputError:
    """Make the error that tells why something is no sound that the model can hear.

    Args:
        given: What came in the place of the sound.
        shape: The shape that would be right.
    """
    wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    next_step = "cut the sound into windows of that length at 16 kHz, as FileSource and score_files do"
    got = f"an object of the type {type(given).__name__}"
    if isinstance(given, np.ndarray):
        got = f"shape {given.shape}, {given.dtype}"
        if given.dtype.kind in "iu":
            next_step = (
                "divide integers by the largest value of their type: samples.astype(np.float32) / 32768 for int16"
            )
        elif given.dtype.kind != _FLOAT32.kind:
            next_step = "convert it to real numbers: samples.astype(np.float32)"
    else:
        next_step = "make it an array of NumPy: numpy.asarray(samples, numpy.float32)"
    return InputError(
        "The model cannot hear this: it is no window of the shape and type that it was made for.",
        got=got,
        valid=f"a NumPy array of the shape {wanted}, float32 in [-1, 1] at 16 kHz",
        next_step=next_step,
    )


def _outputs_of_windows(embeddings: FloatArray, errors: FloatArray | None = None) -> list[ModelOutput]:
    """Take a model's outputs apart by windows.

    Args:
        embeddings: (windows, dim)
        errors: (windows,) where the model is an autoencoder.
    """
    if errors is None:
        return [ModelOutput(embedding) for embedding in embeddings]
    return [ModelOutput(embedding, float(error)) for embedding, error in zip(embeddings, errors, strict=True)]
