"""A model as this very machine runs it best, kept beside the model: optimised and with its weights laid out.

Most of the time that a large model takes to start, and most of its memory, goes into things that come out the same at
every start: reading one big file, optimising the graph, and laying the weights out as the processor's products want
them. The cache is a folder beside the model, ``pump.onnx.cache``, with the outcome of all that, made once by ONNX
Runtime itself; the weights are in a file of their own that is mapped into memory instead of read. It is as large as
the model twice over. It may be deleted at any time and is never needed.

It is trusted only while everything that it depends on is what it was: the model's digest, ONNX Runtime's version and
build, and the processor with its features, for which the weights are laid out. Otherwise it is made anew.

Two files are not read through at every start, because that would take as long as the cache saves: the mapped weights,
which are taken to be whole while size and time of the last change are what they were, and the model, whose digest is
taken to be the same while size, times and inode are, as git takes files in its index. A change within two seconds of
looking, which such times might not show, is looked at again.

It is built by a process of its own, `asd_edge.runtime.inference.build_device_cache`, as building takes more memory
than running.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter, time_ns

from asd_edge.calibration.atomic_files import file_sha256, write_whole
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime.inference.fingerprint import FileStamp, machine_fingerprint
from asd_edge.runtime.inference.providers import Started, start_on

WORTH_BYTES = 16_000_000
"""Smaller models start in no time as they are."""
_FORMAT = 1
GRAPH, WEIGHTS = "graph.onnx", "weights.bin"
AS_THEY_ARE = "--as-they-are"
"""Has weights saved without being laid out: of some models, ONNX Runtime 1.31 crashes on what it laid out itself."""
_TIMES_LARGER = 2.2
"""Weights as they are and as they are laid out, and some room: what the disk must have free, in sizes of the model."""
_CLOCK_NS = 2_000_000_000
"""Coarsest times of file systems in use (FAT)."""


@dataclass(frozen=True)
class Record:
    """What is known of a cache, its ``cache.json``."""

    folder: str
    """where the graph and its weights are"""
    files: dict[str, tuple[int, int]]
    """size and time of the last change of each, in ns"""
    machine: str
    """ONNX Runtime and the processor"""
    sha256: str
    """of the model"""
    stamp: FileStamp
    """of the model when it was read through"""
    looked_ns: int
    """when that began"""
    format: int = _FORMAT

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """Read a record, if there is one that is whole and of this format."""
        try:
            values = json.loads(path.read_text())
            if values["format"] != _FORMAT:
                return None
            files = {str(name): (int(size), int(changed)) for name, (size, changed) in values["files"].items()}
            return cls(**{**values, "files": files, "stamp": FileStamp(**values["stamp"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        """Write it whole.

        Raises:
            InputError: The folder is missing or read-only, or the disk is full.
        """
        with write_whole(path) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


class DeviceCache:
    """The cache of one model.

    Args:
        model: Path of the model.
        tell: Takes a sentence when the cache is built, or why there is none.

    Attributes:
        model: Where the model really is.
        folder: Where its cache is, or would be.
        record_path: What says which of the folders in there is the cache, and for what it was made.
    """

    def __init__(self, model: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self.model = model.resolve()
        self.folder = self.model.with_name(f"{self.model.name}.cache")
        self.record_path = self.folder / "cache.json"
        self._tell = tell
        self._looked: tuple[FileStamp, str] | None = None

    def sha256(self) -> str:
        """The model's digest, which is computed only when the model may have changed since it was last."""
        stamp = FileStamp.of(self.model)
        if self._looked is not None and self._looked[0] == stamp:
            return self._looked[1]
        record = Record.read(self.record_path)
        if record is not None and record.stamp == stamp:
            certain_from = max(stamp.modified_ns, stamp.changed_ns) + _CLOCK_NS
            if certain_from <= record.looked_ns:
                return record.sha256
        looked_ns = time_ns()
        sha256 = file_sha256(self.model)
        self._looked = stamp, sha256
        if record is not None and record.sha256 == sha256:
            with contextlib.suppress(InputError):  # where it cannot be noted, the next start looks again
                replace(record, stamp=stamp, looked_ns=looked_ns).write(self.record_path)
        return sha256

    def graph(self) -> Path | None:
        """The graph to load, if there is a cache that can be trusted."""
        record = Record.read(self.record_path)
        if record is None or record.machine != machine_fingerprint() or record.sha256 != self.sha256():
            return None
        folder = self.folder / record.folder
        with contextlib.suppress(OSError):
            if files_in(folder) == record.files and {GRAPH, WEIGHTS} <= record.files.keys():
                return folder / GRAPH
        return None

    def state(self) -> str:
        """What there is, in words."""
        if self.model.stat().st_size < WORTH_BYTES:
            return "none needed: the model is small"
        graph = self.graph()
        if graph is None:
            return f"none yet for this machine: the next enroll, listen or score prepares {self.folder.name}"
        return f"{self.folder.name} is ready, {_size(graph.parent) / 1e6:.0f} MB"

    def start(self, threads: int) -> Started:
        """Start the model on the CPU: from the cache, which is built if there is none, or else from its own file.

        Raises:
            ModelError: The model cannot be loaded either way.
        """
        if self.model.stat().st_size < WORTH_BYTES:
            return start_on(self.model, "cpu", threads)
        graph = self.graph() or self._built()
        if graph is not None:
            try:
                return start_on(graph, "cpu", threads, optimised=True)
            except ModelError as error:
                # It looked whole, but is not; or another process took its place a moment ago.
                with contextlib.suppress(OSError):
                    self.record_path.unlink()
                self._tell(f"The cache in {self.folder.name} cannot be loaded ({error.got}); the next start renews it.")
        return start_on(self.model, "cpu", threads)

    def _built(self) -> Path | None:
        """Let another process build the cache."""
        import shutil  # these two only here: they take milliseconds of every start
        import subprocess

        wanted = _TIMES_LARGER * self.model.stat().st_size
        try:
            self.folder.mkdir(exist_ok=True)
            free = shutil.disk_usage(self.folder).free + sum(_size(stale) for stale in self.parts())
        except OSError as error:
            self._tell(f"No cache beside {self.model.name}, which starts faster from one: {error.strerror}.")
            return None
        if free < wanted:
            room = f"{wanted / 1e6:.0f} MB wanted, {free / 1e6:.0f} MB free"
            self._tell(f"No cache beside {self.model.name}, which starts faster from one: too little disk, {room}.")
            return None
        self._tell(f"Preparing {self.model.name} for this machine, once, in {self.folder.name} ...")
        began = perf_counter()
        for options in ((), (AS_THEY_ARE,)):
            command = [sys.executable, "-m", "asd_edge.runtime.inference.build_device_cache", str(self.model), *options]
            # A session of its own: Ctrl-C ends this process, which then ends that one.
            builder = subprocess.Popen(
                command, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
            )
            with builder:
                try:
                    _, said = builder.communicate()
                except BaseException:
                    builder.kill()
                    raise
            graph = self.graph()
            if graph is not None or builder.returncode != -signal.SIGSEGV:
                break
        if graph is None:
            reason = said.strip().splitlines()[-1] if said.strip() else f"its process ended with {builder.returncode}"
            self._tell(f"Starting without a cache, which could not be built: {reason}")
            return None
        took = f"{perf_counter() - began:.1f} s"
        self._tell(f"Prepared in {took}; it takes {_size(graph.parent) / 1e6:.0f} MB and may be deleted.")
        return graph

    def parts(self) -> list[Path]:
        """Folders with graphs: the one in use, and what was left when a process was ended."""
        return [entry for entry in self.folder.iterdir() if entry.is_dir()]


def files_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the last change, in ns, of every file in a folder."""
    stated = {file.name: file.stat() for file in folder.iterdir()}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in stated.items()}


def _size(folder: Path) -> int:
    return sum(size for size, _ in files_in(folder).values())
