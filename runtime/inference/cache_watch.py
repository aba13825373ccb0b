"""Bits that rot: the files of a cache, and the model, are read through once a day beside what runs.

At a start they are taken to be whole while their sizes and times are what they were, which a bit that changed on the
disk does not touch. A thread of the lowest priority compares their digests with those that were noted when they were
written, so that a start costs nothing and a wrong bit is told within a day of listening.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time_ns
from typing import Any

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.inference.cache_record import Record, files_in
from asd_edge.runtime.inference.fingerprint import FileStamp
from asd_edge.runtime.inference.model_files import model_sha256

log = logging.getLogger(__name__)

FIRST_WAIT_S = 10.0
"""The time after a start, in seconds, in which nothing is read: the start has the disk for itself."""
EVERY_S = 24 * 3600.0
"""The time from one reading to the next in seconds."""
_LOWEST_PRIORITY = 19


class _StoppedError(Exception):
    """Nobody uses the session any more."""


def watch(session: Any, model: Path, record_path: Path) -> None:
    """Read a cache through from time to time, in the background, for as long as a session of it is in use.

    Args:
        session: The session of ONNX Runtime that runs from the cache.
        model: The path of the model.
        record_path: The path of the cache's record.
    """
    stop = threading.Event()
    weakref.finalize(session, stop.set)
    threading.Thread(target=_watch, args=(model, record_path, stop), name="cache watch", daemon=True).start()


def _watch(model: Path, record_path: Path, stop: threading.Event) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # there, a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)

    def go_on() -> None:
        if stop.is_set():
            raise _StoppedError

    wait_s = FIRST_WAIT_S
    while not stop.wait(wait_s):
        record = Record.read(record_path)
        if record is None:
            return  # deleted, or made anew by another process, which watches it
        wait_s = EVERY_S - (time_ns() - record.verified_ns) / 1e9
        if wait_s > 0:
            continue
        wait_s = EVERY_S
        try:
            if not _as_noted(model, record_path, record):
                return  # changed for everyone to see: the next start does
            rotten = _rotten(model, record_path, record, go_on)
        except OSError:
            continue  # a disk that is away for a moment; the next start sees what is missing
        except _StoppedError:
            return
        if rotten is not None:
            with contextlib.suppress(OSError):
                record_path.unlink()
            log.warning(
                "%s is not what it was, though its size and time are: bits changed on the disk. Scores since then may "
                "be wrong; start again, and the cache is made anew.",
                rotten,
            )
            return
        if Record.read(record_path) == record:
            with contextlib.suppress(InputError):  # read-only, for one
                replace(record, verified_ns=time_ns()).write(record_path)


def _as_noted(model: Path, record_path: Path, record: Record) -> bool:
    """Whether all files have the sizes and times that were noted of them."""
    outside = FileStamp.of_all(model.parent, record.outside)
    sizes_and_times = files_in(record_path.parent / record.folder)
    return (FileStamp.of(model), outside, sizes_and_times) == (record.stamp, record.outside, record.files)


def _rotten(model: Path, record_path: Path, record: Record, between: Callable[[], None]) -> Path | None:
    """The first file that is not what was noted of it; none where all are. Before each megabyte `between` is called."""
    folder = record_path.parent / record.folder
    for name, digest in record.digests.items():
        if file_sha256(folder / name, between) != digest:
            return folder / name
    return None if model_sha256(model, record.outside, between) == record.sha256 else model
