"""A model as this very computer runs it best, kept beside the model: optimised and with its weights laid out.

Most of the time that a large model takes to start, and most of its memory, goes into things that come out the same at
every start: reading one big file, optimising the graph, and laying the weights out as the processor's products want
them. The cache is a folder beside the model, ``pump.onnx.cache``, with the outcome of all that, made once by ONNX
Runtime itself; the weights are in a file of their own that is mapped into memory instead of read. The cache is twice
as large as the model. It may be deleted at any time and is never needed.

The cache is trusted only while everything that it depends on is what it was: the model's digest, ONNX Runtime's version
and build, and the processor with its features, for which the weights are laid out. Otherwise the cache is made anew.

Two files are not read through at every start, because that would take as long as the cache saves: the mapped weights,
which are taken to be whole while size and time of the last change are what they were, and the model, whose digest is
taken to be the same while size, times and inode are, as git takes files in its index. A change within two seconds of
looking, which such times might not show, is looked at again. A bit that changes on the disk by itself changes no time:
once a day all of them are read through beside what runs, see `asd_edge.runtime.inference.cache_watch`.

The cache is built by a process of its own, `asd_edge.runtime.inference.build_device_cache`, as building takes more
memory than running.
"""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, time_ns

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime.inference.cache_record import Record, files_in
from asd_edge.runtime.inference.cache_watch import watch
from asd_edge.runtime.inference.fingerprint import FileStamp, host_fingerprint
from asd_edge.runtime.inference.model_files import NoModelError, files_outside, model_sha256
from asd_edge.runtime.inference.session import Session, start_session
from asd_edge.runtime.own_process import module_command

log = logging.getLogger(__name__)

WORTH_BYTES = 16_000_000
"""The size of a model from which on a cache is kept; smaller models start in no time as they are."""
GRAPH, WEIGHTS = "graph.onnx", "weights.bin"
"""The files of a cache."""
AS_THEY_ARE = "--as-they-are"
"""The builder's option that saves weights without laying them out: with some models, ONNX Runtime 1.31 crashes on what
it laid out itself."""
_TIMES_LARGER = 2.2
"""What the disk must have free, in sizes of the model: the weights as they are and as they are laid out, and some
room."""
_CLOCK_NS = 2_000_000_000
"""The coarsest step of time in nanoseconds that a file system in use (FAT) knows."""
_NO_CACHE = "No cache beside %s, which starts faster from one: %s."


class DeviceCache:
    """The cache of one model.

    Args:
        model: The path of the model.

    Attributes:
        model: The path of the model.
        folder: The folder where its cache is, or would be: beside the file that a link leads to.
        record_path: The file that says which of the folders in there is the cache, and for what it was made.
    """

    def __init__(self, model: Path) -> None:
        self.model = model.absolute()
        real = model.resolve()
        self.folder = real.with_name(f"{real.name}.cache")
        self.record_path = self.folder / "cache.json"
        self._looked: tuple[FileStamp, dict[str, FileStamp], str] | None = None

    def sha256(self) -> str:
        """Give the model's digest, which is computed only when the model may have changed since the last time.

        Raises:
            ModelError: The model names a file of weights that is missing or not in its folder.
        """
        if self._looked is not None and self._is_as(*self._looked[:2]):
            return self._looked[2]
        record = Record.read(self.record_path)
        if record is not None and self._is_as(record.stamp, record.outside):
            changed_ns = max(
                time_ns for stamp in (record.stamp, *record.outside.values()) for time_ns in stamp.times_ns
            )
            if changed_ns + _CLOCK_NS <= record.looked_ns:
                return record.sha256
        stamp, looked_ns = FileStamp.of(self.model), time_ns()
        try:
            files = files_outside(self.model)
        except NoModelError:
            files = {}  # this is told where it is started
        outside = FileStamp.of_all(self.model.parent, files)
        sha256 = model_sha256(self.model, files)
        self._looked = stamp, outside, sha256
        if record is not None and record.sha256 == sha256:
            with contextlib.suppress(InputError):  # where it cannot be noted, the next start looks again
                replace(record, stamp=stamp, outside=outside, looked_ns=looked_ns).write(self.record_path)
        return sha256

    def _is_as(self, stamp: FileStamp, outside: dict[str, FileStamp]) -> bool:
        """Whether the model's files have these stamps."""
        if FileStamp.of(self.model) != stamp:
            return False
        with contextlib.suppress(OSError):  # one is missing
            return FileStamp.of_all(self.model.parent, outside) == outside
        return False

    def graph(self) -> Path | None:
        """Give the path of the graph to load, if there is a cache that can be trusted."""
        record = Record.read(self.record_path)
        if record is None or record.machine != host_fingerprint() or record.sha256 != self.sha256():
            return None
        folder = self.folder / record.folder
        with contextlib.suppress(OSError):
            if files_in(folder) == record.files and {GRAPH, WEIGHTS} <= record.files.keys():
                return folder / GRAPH
        return None

    def state(self) -> str:
        """Say in words what cache there is."""
        if self.model.stat().st_size < WORTH_BYTES:
            return "none needed: the model is small"
        graph = self.graph()
        if graph is None:
            return f"none yet for this computer: the next enroll, listen or score prepares {self.folder.name}"
        return f"{self.folder.name} is ready, {_size(graph.parent) / 1e6:.0f} MB"

    def cpu_session(self, threads: int) -> Session:
        """Start the model on the CPU: from the cache, which is built if there is none, or else from its own file.

        What is built, and why there is no cache, is logged.

        Args:
            threads: Threads within one operator; 0 takes one per physical core.

        Raises:
            ModelError: The model cannot be loaded either way.
        """
        if self.model.stat().st_size < WORTH_BYTES:
            return start_session(self.model, "cpu", threads)
        graph = self.graph() or self._build()
        if graph is not None:
            try:
                session = start_session(graph, "cpu", threads, optimised=True)
                watch(session.raw, self.model, self.record_path)
                return session
            except ModelError as error:
                # The cache looked whole, but is not; or another process took its place a moment ago.
                with contextlib.suppress(OSError):
                    self.record_path.unlink()
                log.warning(
                    "The cache in %s cannot be loaded (%s); the next start renews it.", self.folder.name, error.got
                )
        return start_session(self.model, "cpu", threads)

    def _build(self) -> Path | None:
        """Let another process build the cache, and give the path of its graph; none where it could not be built."""
        import shutil  # only here: it takes milliseconds of every start

        wanted = _TIMES_LARGER * self.model.stat().st_size
        try:
            self.folder.mkdir(exist_ok=True)
            free = shutil.disk_usage(self.folder).free + sum(_size(stale) for stale in self.parts())
        except OSError as error:
            log.warning(_NO_CACHE, self.model.name, error.strerror)
            return None
        if free < wanted:
            room = f"too little disk, {wanted / 1e6:.0f} MB wanted, {free / 1e6:.0f} MB free"
            log.warning(_NO_CACHE, self.model.name, room)
            return None
        log.info("Preparing %s for this computer, once, in %s ...", self.model.name, self.folder.name)
        began = perf_counter()
        for options in ((), (AS_THEY_ARE,)):
            returned, said = run_builder(self.model, options)
            graph = self.graph()
            if graph is not None or returned != -signal.SIGSEGV:
                break
        if graph is None:
            reason = said.strip().splitlines()[-1] if said.strip() else f"its process ended with {returned}"
            log.warning("Starting without a cache, which could not be built: %s", reason)
            return None
        took_s, size_mb = perf_counter() - began, _size(graph.parent) / 1e6
        log.info("Prepared in %.1f s; it takes %.0f MB and may be deleted.", took_s, size_mb)
        return graph

    def parts(self) -> list[Path]:
        """List the folders with graphs: the one in use, and those that were left when a process was ended."""
        return [entry for entry in self.folder.iterdir() if entry.is_dir()]


def run_builder(model: Path, options: Sequence[str]) -> tuple[int, str]:
    """Run `asd_edge.runtime.inference.build_device_cache` to its end, in a process of its own.

    Args:
        model: The path of the model.
        options: The builder's options, such as `AS_THEY_ARE`.

    Returns:
        The exit code, negative where a signal ended the process, and what it wrote to standard error.
    """
    import subprocess  # only here: it takes milliseconds of every start

    command = module_command("asd_edge.runtime.inference.build_device_cache", model, *options)
    # A session of its own: Ctrl-C ends this process, which then ends that one.
    builder = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    with builder:
        try:
            _, said = builder.communicate()
        except BaseException:
            builder.kill()
            raise
    return builder.returncode, said


def _size(folder: Path) -> int:
    return sum(size for size, _ in files_in(folder).values())
