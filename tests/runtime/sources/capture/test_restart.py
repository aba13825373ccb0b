"""The process that records ends, and another cannot be started: an event of that microphone, which is looked for."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hearing import Hearing

from asd_edge.calibration.errors import DeviceError
from asd_edge.runtime import Microphone
from asd_edge.runtime.sources import awaited


def open_files() -> list[int]:
    """The numbers of the files that this process has open."""
    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]


@contextmanager
def no_more_files() -> Iterator[None]:
    """Nothing can be opened (EMFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(open_files())
    with_no_hole = [os.dup(0) for _ in range(highest)]  # the limit is on numbers: those that are free below count, too
    highest = max(open_files())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in with_no_hole:
            os.close(number)


@contextmanager
def no_python() -> Iterator[None]:
    """The program that would be run is not there (ENOENT), as while the package is being upgraded."""
    executable = sys.executable
    sys.executable = "/nowhere/python"
    try:
        yield
    finally:
        sys.executable = executable


@contextmanager
def no_permission() -> Iterator[None]:
    """The program that would be run must not be (EACCES)."""
    executable = sys.executable
    sys.executable = __file__
    try:
        yield
    finally:
        sys.executable = executable


@pytest.mark.microphone
@pytest.mark.parametrize("unable", [no_more_files, no_python, no_permission])
def test_a_recording_process_that_cannot_be_restarted_is_tried_again(
    sound_server: Any, unable: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaited, "FIRST_RETRY_S", 0.1)
    with Hearing("mic") as hearing:
        hearing.until_more(5)
        process = recorder()
        with unable():
            os.kill(process, signal.SIGKILL)
            gap = hearing.until_event("gap")
            time.sleep(1.5)
            assert hearing.error is None
            assert hearing.events == [gap]
        hearing.until_event("resumed")
        hearing.until_more(3)
    assert gap.reason == "the recording process ended"


@pytest.mark.parametrize("unable", [no_more_files, no_python, no_permission])
def test_a_recording_process_that_cannot_be_started_is_an_error_of_ours(unable: Callable[[], Any]) -> None:
    before = len(open_files())
    with unable(), pytest.raises(DeviceError, match="process that records cannot be started") as refused:
        Microphone("mic")
    assert refused.value.got
    assert len(open_files()) == before


def recorder() -> int:
    """The number of the recording process."""
    threads = Path("/proc/self/task").iterdir()
    children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    (found,) = (child for child in children if b"portaudio_process" in Path(f"/proc/{child}/cmdline").read_bytes())
    return found
