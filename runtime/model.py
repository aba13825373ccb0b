"""The model on the device: an ONNX file and the execution provider that runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.files import file_sha256
from asd_edge.calibration.model_info import METADATA_KEY, ModelInfo
from asd_edge.runtime.sound import FloatArray

DEFAULT_MODEL = "logmel"
"""The model inside the package, see `asd_edge.export.logmel`."""

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_AUTO = ("cuda", "cpu")
"""What ``auto`` tries, the fastest first. Providers that compile for minutes are taken only when named."""
_JETSON = "on a Jetson, NVIDIA's own onnxruntime-gpu wheel"
_INSTALL = {
    "cpu": "pip install 'asd-edge[cpu]'",
    "cuda": f"pip uninstall onnxruntime, then pip install 'asd-edge[cuda]'; {_JETSON}",
    "tensorrt": "pip uninstall onnxruntime, then pip install 'asd-edge[cuda]' tensorrt",
    "openvino": "pip uninstall onnxruntime, then pip install onnxruntime-openvino",
    "coreml": "use macOS, where the cpu extra holds it",
}


class Model:
    """An ONNX model of the contract in `asd_edge.calibration.model_info`, loaded and ready.

    Args:
        model: Path of an ``.onnx`` file, or ``logmel`` for the model inside the package.
        provider: ``auto``, ``cpu``, ``cuda``, ``tensorrt``, ``openvino`` or ``coreml``. One that is asked for is used,
            or it is an error; ``auto`` takes the best that runs the model.
        threads: Threads within one operator on the CPU; 0 takes one per physical core.

    Raises:
        ModelError: ONNX Runtime is not installed, the file is missing or no such model, or the provider does not run
            it here.
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, provider: str = "auto", threads: int = 0) -> None:
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
        self.sha256 = file_sha256(path)
        self.provider, self._session = _start(path, provider, threads)
        self.info = _checked_info(self._session, path)
        self.description = f"{self.info.recipe} ({path.name})"

    def embed(self, samples: FloatArray) -> FloatArray:
        """Embed one window.

        Args:
            samples: (samples,) float32 in [-1, 1] at 16 kHz, as long as ``info.samples``.

        Returns:
            (dim,) the embedding.
        """
        embedding: FloatArray = self._session.run(["embedding"], {"waveform": samples[None, :]})[0][0]
        return embedding


def embedded_model_path() -> Path:
    """The model file inside the package."""
    return Path(__file__).parent / "models" / f"{DEFAULT_MODEL}.onnx"


def available_providers() -> list[str]:
    """Short names of the execution providers that the installed ONNX Runtime was built with.

    Raises:
        ModelError: ONNX Runtime is not installed.
    """
    built = _import_onnxruntime().get_available_providers()
    return [name for name, provider in _PROVIDERS.items() if provider in built]


def _import_onnxruntime() -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise ModelError(
            "ONNX Runtime, which runs the model, is not installed.",
            got="no module named onnxruntime",
            valid="exactly one build of it: onnxruntime (any CPU) or onnxruntime-gpu (NVIDIA, with CUDA)",
            next_step=f"pip install 'asd-edge[cpu]', or 'asd-edge[cuda]'; {_JETSON}",
        )
    import onnxruntime  # only commands that run a model need it

    return onnxruntime


def _start(path: Path, provider: str, threads: int) -> tuple[str, Any]:
    """Make a session on the provider that was asked for, or on the best there is."""
    available = available_providers()
    if provider == "auto":
        # A build with CUDA on a machine without a working GPU falls through to the CPU.
        for name in (name for name in _AUTO if name in available and name != "cpu"):
            try:
                return name, _session(path, name, threads)
            except ModelError:
                continue
        return "cpu", _session(path, "cpu", threads)
    if provider not in _PROVIDERS:
        raise ModelError(
            "There is no such execution provider.",
            got=provider,
            valid=", ".join(("auto", *_PROVIDERS)),
            next_step=f"this machine has: {', '.join(available)}",
        )
    if provider not in available:
        raise ModelError(
            f"The installed ONNX Runtime has no {provider} provider.",
            got=provider,
            valid=f"auto, {', '.join(available)}",
            next_step=_INSTALL[provider],
        )
    return provider, _session(path, provider, threads)


def _session(path: Path, provider: str, threads: int) -> Any:
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Waiting for the next window must not burn a core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = _PROVIDERS[provider]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[chosen])
    except Exception as error:
        text = str(error).strip().splitlines()[0]
        if provider != "cpu" and "INVALID_PROTOBUF" not in text:
            raise ModelError(
                f"The {provider} provider cannot run the model here.",
                got=text,
                valid=f"a working {provider} installation",
                next_step=f"{_INSTALL[provider]}; or --provider cpu",
            ) from error
        raise ModelError(
            "The file is no ONNX model that this ONNX Runtime can load.",
            got=f"{path}: {text}",
            valid="an .onnx file made by `asd-edge export`",
            next_step="export or copy it again; a newer file may want pip install --upgrade onnxruntime",
        ) from error
    if session.get_providers()[0] != chosen:
        raise ModelError(
            f"The {provider} provider did not start, and ONNX Runtime fell back to the CPU.",
            got=", ".join(session.get_providers()),
            valid=f"a working {provider} installation",
            next_step=f"{_INSTALL[provider]}; or --provider cpu",
        )
    return session


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
    expected = {"waveform": info.samples, "embedding": info.dimensions}
    found = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    for name, length in expected.items():
        shape: Sequence[Any] | None = found.get(name)
        if shape is None or len(shape) != 2 or shape[1] != length:
            raise ModelError(
                f"The model's '{name}' does not have the shape that its description promises.",
                got=f"{path}: {list(shape) if shape is not None else 'missing'}",
                valid=f"(batch, {length})",
                next_step="export the model again",
            )
    return info
