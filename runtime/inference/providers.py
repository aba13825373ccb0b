"""Execution providers: which there are, which are installed here, and how to install the others."""

from __future__ import annotations

import importlib.util
from typing import Any

from asd_edge.calibration.errors import ModelError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""The short name of each provider, and the name that ONNX Runtime gives it."""
SHORT_NAMES = {full: name for name, full in PROVIDERS.items()}
"""The other way round."""
PLUGINS = {"openvino": "onnxruntime_ep_openvino"}
"""Packages that bring a provider to any ONNX Runtime from 1.23 on, beside those that are built into one."""
_JETSON = "on a Jetson, NVIDIA's own onnxruntime-gpu wheel"
INSTALL = {
    "cpu": "pip install 'asd-edge[cpu]'",
    "cuda": f"pip uninstall onnxruntime, then pip install 'asd-edge[cuda]'; {_JETSON}",
    "tensorrt": "pip uninstall onnxruntime, then pip install 'asd-edge[cuda]' tensorrt",
    "openvino": "pip install 'asd-edge[openvino]'",
    "coreml": "use macOS, where the cpu extra holds it",
}
"""What to do to have each provider."""


def available_providers() -> list[str]:
    """List the short names of the execution providers that are installed.

    Raises:
        ModelError: ONNX Runtime is not installed.
    """
    built = import_onnxruntime().get_available_providers()
    return [name for name, full in PROVIDERS.items() if full in built or has_plugin(name)]


def require_known(provider: str) -> None:
    """Refuse a name that no execution provider has.

    Raises:
        ModelError: There is no such provider, or ONNX Runtime is not installed.
    """
    if provider not in PROVIDERS:
        raise ModelError(
            "There is no such execution provider.",
            got=provider,
            valid=", ".join(PROVIDERS),
            next_step=f"this computer has: {', '.join(available_providers())}",
        )


def require_installed(provider: str) -> None:
    """Refuse a provider that the installed ONNX Runtime does not have, and say how to install it.

    Raises:
        ModelError: The provider is not installed, there is none of that name, or ONNX Runtime is not installed.
    """
    require_known(provider)
    available = available_providers()
    if provider not in available:
        raise ModelError(
            f"The installed ONNX Runtime has no {provider} provider.",
            got=provider,
            valid=", ".join(available),
            next_step=INSTALL[provider],
        )


def has_plugin(provider: str) -> bool:
    """Tell whether a package that brings the provider as a plugin is installed."""
    return provider in PLUGINS and importlib.util.find_spec(PLUGINS[provider]) is not None


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, which only commands that run a model need.

    Raises:
        ModelError: ONNX Runtime is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise ModelError(
            "ONNX Runtime, which runs the model, is not installed.",
            got="no module named onnxruntime",
            valid="exactly one build of it: onnxruntime (any CPU) or onnxruntime-gpu (NVIDIA, with CUDA)",
            next_step=f"pip install 'asd-edge[cpu]', or 'asd-edge[cuda]'; {_JETSON}",
        )
    import onnxruntime

    return onnxruntime
