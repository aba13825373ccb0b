"""What NVIDIA's management library tells of the GPU that a model runs on.

It comes with the driver, and ``pip install nvidia-ml-py`` lets Python ask it. Where either is missing, or the GPU does
not tell something, there is nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import Any


class Gpu:
    """The GPU that CUDA calls device 0. Get it with `open_gpu`.

    Args:
        nvml: The module ``pynvml``, initialised.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        # CUDA numbers anew what it is shown.
        shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
        by = nvml.nvmlDeviceGetHandleByIndex if shown.isdigit() else nvml.nvmlDeviceGetHandleByUUID
        self._handle = by(int(shown) if shown.isdigit() else shown)

    def facts(self) -> dict[str, Any]:
        """The name of the GPU, its memory and the version of its driver."""
        nvml = self._nvml
        return {
            "name": _text(nvml.nvmlDeviceGetName(self._handle)),
            "memory_bytes": int(nvml.nvmlDeviceGetMemoryInfo(self._handle).total),
            "driver": _text(nvml.nvmlSystemGetDriverVersion()),
        }

    def joules(self) -> float | None:
        """The energy in joules since the driver was loaded; none from GPUs older than Volta."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000.0
        except self._nvml.NVMLError:
            return None

    def memory_of(self, pid: int) -> int | None:
        """The bytes of GPU memory that a process holds; none in a container that numbers processes anew."""
        try:
            held = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except self._nvml.NVMLError:
            return None
        return next((process.usedGpuMemory for process in held if process.pid == pid), None)


def open_gpu() -> Gpu | None:
    """Open the GPU, where there is one that answers."""
    try:
        nvml = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return None
    try:
        nvml.nvmlInit()
        return Gpu(nvml)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
