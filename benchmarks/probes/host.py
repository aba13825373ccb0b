"""The host: the computer that something was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from asd_edge.benchmarks.probes.gpu import open_gpu
from asd_edge.calibration.wording import counted

_FOR_SPEED = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-openvino", "tensorrt", "numpy", "soxr")
"""The packages whose versions matter for speed."""


def describe_host() -> str:
    """A line that names the processor, the cores, the system and the versions that matter for speed."""
    described = ", ".join(f"{name} {version}" for name, version in versions().items() if name != "asd-edge")
    return f"{_processor()}, {counted(_cores(), 'core')}, {platform.system()} {platform.machine()}; {described}"


def versions() -> dict[str, str]:
    """The versions of this program, of Python and of the packages that matter for speed, where they are installed."""
    found = {"asd-edge": importlib.metadata.version("asd-edge"), "Python": platform.python_version()}
    for package in _FOR_SPEED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def host_facts() -> dict[str, Any]:
    """What a time depends on, by name: the processor, its features and clock policy, memory, system and GPU."""
    gpu = open_gpu()
    return {
        "processor": _processor(),
        "cores": _cores(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "memory_bytes": _memory_bytes(),
        "cpu_flags": _cpu_flags(),
        "governor": _governor(),
        "gpu": gpu.facts() if gpu else None,
    }


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    """The name of the processor. An Arm kernel gives none in ``cpuinfo``, but the board's name in the device tree."""
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text().rstrip("\0")
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpu_flags() -> list[str]:
    """The features of the processor, as x86 and Arm kernels name them; none where there is no ``/proc``."""
    return sorted((_cpuinfo("flags") or _cpuinfo("Features")).split())


def _cpuinfo(wanted: str) -> str:
    """Look up the first value of that name in the kernel's list of processors."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.is_file() else ():
        name, _, value = line.partition(":")
        if name.strip() == wanted:
            return value.strip()
    return ""


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _governor() -> str | None:
    """The kernel's clock policy; several where cores differ, none where the kernel has no say, as in most clouds."""
    found = {path.read_text().strip() for path in Path("/sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_governor")}
    return ", ".join(sorted(found)) or None
