"""What tells a file from a changed one, and this computer from another, without reading or measuring much."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asd_edge.runtime.inference.providers import import_onnxruntime

_CPU_FIELDS = (
    *("vendor_id", "cpu family", "model", "model name", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
)
"""What ``/proc/cpuinfo`` says of a processor's kind, and not of its clock, its microcode or its bugs."""


@dataclass(frozen=True)
class FileStamp:
    """What tells a file from a changed one without reading it."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Take the stamp that a file has now."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @classmethod
    def of_all(cls, folder: Path, names: Iterable[str]) -> dict[str, FileStamp]:
        """Take the stamps of files by their names in a folder."""
        return {name: cls.of(folder / name) for name in names}

    @property
    def times_ns(self) -> tuple[int, int]:
        """When its content and when anything of it was changed last, in nanoseconds since 1970."""
        return self.modified_ns, self.changed_ns


def host_fingerprint() -> str:
    """Name all that a cache depends on but the model: ONNX Runtime's version and build, and the processor's kind."""
    onnxruntime = import_onnxruntime()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else [f"model name: {platform.processor()}"]
    fields = ((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    # Every kind of core once: some processors have two.
    kinds = sorted({f"{name}: {value}" for name, value in fields if name in _CPU_FIELDS})
    processor = hashlib.sha256("\n".join(kinds).encode()).hexdigest()[:16]
    build = hashlib.sha256(onnxruntime.get_build_info().encode()).hexdigest()[:16]
    return f"onnxruntime {onnxruntime.__version__} build {build}, {platform.machine()} processor {processor}"
