"""The program as a process of its own, and what the system says that it takes. Linux only."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted
from asd_edge.runtime.own_process import module_command

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "asd-edge")
_SAMPLE_EVERY_S = 0.5
_SETTLING_WINDOWS = 2
"""The first windows still load code and fill buffers."""


@dataclass(frozen=True)
class Memory:
    """The memory of one process, in bytes."""

    resident: int
    """what is in memory now"""
    peak: int
    """the most that ever was"""
    private: int
    """what the process shares with no other process"""
    anonymous: int
    """what is in no file, so that the system cannot drop it and read it again"""
    proportional: int
    """what is private, and the process's part of what it shares, so that several processes can be added up"""


@dataclass(frozen=True)
class ListenCost:
    """What a listening process took."""

    windows: int
    model_share: float
    """the share of one core that the model takes"""
    other_share: float
    """the share of one core that everything but the model takes"""
    model_s: float
    """the processor time of the model for one window"""
    memory: Memory
    recorder_memory: Memory | None = None
    """the memory of the recording process, where a microphone was the source"""
    recorder_share: float = 0.0
    """the share of one core that the recording process takes"""


def wall_times(arguments: list[str], runs: int) -> list[float]:
    """Time fresh processes of the program from start to exit, after one that warms the cache of files.

    Args:
        arguments: What the program is given.
        runs: How many processes to time.

    Returns:
        The seconds that each took.
    """
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.PIPE)
        times.append(time.perf_counter() - began)
    return times[1:]


def listen_cost(source: list[str], bank: Path, hop_s: float, seconds: float, terminal: bool) -> ListenCost:
    """Let `listen` run at the pace of the sound and see what it takes.

    Args:
        source: The options that choose the sound.
        bank: The bank to compare with.
        hop_s: The time from one window to the next in seconds.
        seconds: How long to listen; the end of a file may come earlier.
        terminal: Whether the program shows its scores in a terminal, instead of writing JSON lines into a pipe.

    Raises:
        InputError: The source gave too few windows, as one that cannot be opened does.
        ModuleNotFoundError: psutil is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = module_command("asd_edge.benchmarks.probes.timed_listen", report, "listen", *source)
        command += ["--bank", str(bank), "--hop", str(hop_s), "--threads", "1", *([] if terminal else ["--json"])]
        ours, theirs = pty.openpty() if terminal else os.pipe()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        process = subprocess.Popen(command, stdout=theirs, env=environment)
        os.close(theirs)
        reader = threading.Thread(target=_drain, args=(ours,))
        reader.start()
        try:
            memory, recorder = _watch(process, seconds)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            reader.join()
            os.close(ours)
        readings: list[tuple[float, float]] = json.loads(report.read_text())
    if len(readings) < _SETTLING_WINDOWS + 2:
        raise InputError(
            "The program ended before enough windows were heard.",
            got=f"{counted(len(readings), 'window')}",
            valid=f"{_SETTLING_WINDOWS + 2} or more",
            next_step="it said why above; or let it listen longer",
        )
    (model_first, all_first), (model_last, all_last) = readings[_SETTLING_WINDOWS], readings[-1]
    windows = len(readings) - 1 - _SETTLING_WINDOWS
    duration_s = windows * hop_s
    model_s = model_last - model_first
    return ListenCost(
        windows=len(readings),
        model_share=model_s / duration_s,
        other_share=(all_last - all_first - model_s) / duration_s,
        model_s=model_s / windows,
        memory=memory,
        recorder_memory=recorder.memory if recorder else None,
        recorder_share=recorder.share if recorder else 0.0,
    )


@dataclass(frozen=True)
class _Recorder:
    memory: Memory
    share: float


def _watch(process: subprocess.Popen[bytes], seconds: float) -> tuple[Memory, _Recorder | None]:
    """Look at a process and at the child that records for it until the time is over or it ends by itself."""
    import psutil

    began = time.monotonic()
    memory = read_memory(process.pid)
    recorder: _Recorder | None = None
    first: tuple[float, float] | None = None
    while process.poll() is None and time.monotonic() - began < seconds:
        time.sleep(_SAMPLE_EVERY_S)
        with contextlib.suppress(psutil.Error, OSError, StopIteration):  # it may end between two looks
            memory = read_memory(process.pid)
            for child in psutil.Process(process.pid).children():
                times = child.cpu_times()
                now = (time.monotonic(), times.user + times.system)
                if first is None and now[0] - began > seconds / 4:
                    first = now
                share = (now[1] - first[1]) / (now[0] - first[0]) if first and now[0] > first[0] else 0.0
                recorder = _Recorder(read_memory(child.pid), share)
    return memory, recorder


def memory_is_told() -> bool:
    """Whether the memory of processes can be read here: on Linux, where psutil is installed."""
    try:
        import psutil  # noqa: F401
    except ModuleNotFoundError:
        return False
    return sys.platform == "linux"


def read_memory(pid: int) -> Memory:
    """How much memory a process takes now, as the kernel counts it.

    Args:
        pid: The process.

    Raises:
        ModuleNotFoundError: psutil is not installed.
        psutil.Error: There is no such process.
    """
    import psutil

    process = psutil.Process(pid)
    counts = process.memory_full_info()
    anonymous = sum(mapping.anonymous for mapping in process.memory_maps())
    return Memory(counts.rss, _peak_bytes(pid), counts.uss, anonymous, counts.pss)


def _peak_bytes(pid: int) -> int:
    """The most that a process was resident in, which psutil does not tell on Linux."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _drain(descriptor: int) -> None:
    """Read until the other end closes, which a terminal tells with an error."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1 << 16):
            pass
