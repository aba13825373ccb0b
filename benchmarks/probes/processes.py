"""Running the program as a process of its own and reading from the system what it takes. Linux only."""

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

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "asd-edge")
_SAMPLE_EVERY_S = 0.5
_SETTLING_WINDOWS = 2
"""The first windows still load code and fill buffers."""


@dataclass(frozen=True)
class Memory:
    """Of one process, in bytes."""

    resident: int
    peak: int
    """of the resident memory"""
    private: int
    """what it shares with no other process"""
    anonymous: int
    """what is in no file, so that it cannot be dropped and read again"""
    proportional: int
    """the same and its part of what it shares, so that those of several processes can be added"""


@dataclass(frozen=True)
class ListenCost:
    """What a listening process took."""

    windows: int
    model_share: float
    """of one core"""
    other_share: float
    """everything but the model, of one core"""
    model_s: float
    """processor time of the model for one window"""
    memory: Memory
    recorder_memory: Memory | None = None
    """of the recording process, where a microphone was the source"""
    recorder_share: float = 0.0
    """of one core"""


def wall_times(arguments: list[str], runs: int) -> list[float]:
    """Seconds that fresh processes of the program take from start to exit, after one that warms the file cache."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.PIPE)
        times.append(time.perf_counter() - began)
    return times[1:]


def first_score_times(bank: Path, sound: Path, runs: int) -> list[float]:
    """Seconds from the start of fresh processes of `listen` to their first score, after one that warms the cache."""
    command = [PROGRAM, "listen", "--bank", str(bank), "--input", str(sound), "--json"]
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            if not any("score" in json.loads(line) for line in process.stdout or ()):
                raise RuntimeError("the program ended without a score")
            times.append(time.perf_counter() - began)
            process.kill()
    return times[1:]


def listen_cost(source: list[str], bank: Path, hop_s: float, seconds: float, terminal: bool) -> ListenCost:
    """Let `listen` run at the pace of the sound and see what it takes.

    Args:
        source: Options that choose the sound.
        bank: What to compare with.
        hop_s: Seconds between windows.
        seconds: How long; a file may end it earlier.
        terminal: Show it in a terminal, instead of writing JSON lines into a pipe.

    Raises:
        InputError: The source gave too few windows, as one that cannot be opened does.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "asd_edge.benchmarks.probes.timed_listen", str(report), "listen", *source]
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
            got=f"{len(readings)} windows",
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
    began = time.monotonic()
    memory = read_memory(process.pid)
    recorder: _Recorder | None = None
    first: tuple[float, float] | None = None
    while process.poll() is None and time.monotonic() - began < seconds:
        time.sleep(_SAMPLE_EVERY_S)
        with contextlib.suppress(OSError, KeyError):  # it may end between two looks
            memory = read_memory(process.pid)
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                now = (time.monotonic(), _processor_s(int(child)))
                if first is None and now[0] - began > seconds / 4:
                    first = now
                share = (now[1] - first[1]) / (now[0] - first[0]) if first and now[0] > first[0] else 0.0
                recorder = _Recorder(read_memory(int(child)), share)
    return memory, recorder


def read_memory(pid: int) -> Memory:
    """Memory of a process, as the kernel counts it."""
    status = _kilobytes(Path(f"/proc/{pid}/status"))
    rollup = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
    private = rollup["Private_Clean"] + rollup["Private_Dirty"]
    counts = (status["VmRSS"], status["VmHWM"], private, rollup["Anonymous"], rollup["Pss"])
    return Memory(*(1024 * count for count in counts))


def _kilobytes(path: Path) -> dict[str, int]:
    values = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB":
            values[name] = int(number)
    return values


def _processor_s(pid: int) -> float:
    """Processor time of all threads of a process, from fields 14 and 15 of its ``stat``."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _drain(descriptor: int) -> None:
    """Read until the other end closes, which a terminal tells with an error."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1 << 16):
            pass
