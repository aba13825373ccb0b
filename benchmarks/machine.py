"""The machine that something was measured on, in words."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "numpy", "soxr")


def describe_machine() -> str:
    """Processor, cores, system and the versions that matter for speed."""
    versions = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0))
    return f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}; {', '.join(versions)}"


def _processor() -> str:
    """Name of the processor; an Arm kernel gives none in ``cpuinfo``, but the board's name in the device tree."""
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text().rstrip("\0")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
