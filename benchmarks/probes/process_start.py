"""Fresh processes: how long each takes to its first score, and in how much memory. Linux only."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from asd_edge.benchmarks.probes.gpu import open_gpu
from asd_edge.benchmarks.probes.processes import Memory, read_memory

SCORED = """
print(float(np.linalg.norm(embedding - np.zeros_like(embedding))), flush=True)
sys.stdin.read()
"""
"""The end of a program that has an embedding and no bank."""
_FIRST_SCORE = """
import sys
import numpy as np
from asd_edge.runtime import Model, load_bank
path, provider, threads, cache, bank = sys.argv[1:]
model = Model(path, provider, int(threads), cache=cache == "True")
window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
embedded = model.embed(window)
print(load_bank(bank).scorer().score(embedded) if bank else float(np.linalg.norm(embedded.embedding)), flush=True)
sys.stdin.read()
"""


@dataclass
class Start:
    """Fresh processes of one variant."""

    name: str
    command: list[str]
    """a Python program that prints a line when it has a score and then waits for its input to end; its arguments"""
    took_s: list[float] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    private_bytes: list[int] = field(default_factory=list)
    """what no other process shares, but for this one, which may have the same libraries loaded"""
    gpu_bytes: list[int] = field(default_factory=list)
    """memory of the GPU, where it tells"""
    warm_up_s: float | None = None
    """of one before all others, which builds caches"""

    @classmethod
    def of_model(
        cls,
        name: str,
        model: Path,
        provider: str = "cpu",
        threads: int = 0,
        *,
        cache: bool = True,
        bank: Path | None = None,
    ) -> Start:
        """From nothing to the score of a window.

        Args:
            name: Of the variant.
            model: The model file.
            provider: As of `Model`.
            threads: As of `Model`.
            cache: As of `Model`.
            bank: What to score with; the norm of the embedding when left out.
        """
        arguments = (model, provider, threads, cache, bank or "")
        return cls(name, [_FIRST_SCORE, *map(str, arguments)])

    def run(self) -> None:
        """Start a process, wait for its score and look at its memory.

        Raises:
            RuntimeError: It ended without a score.
        """
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", *self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            scored = process.stdout.readline() if process.stdout else ""
            took_s = time.perf_counter() - began
            if not scored:
                raise RuntimeError(f"{self.name} ended without a score")
            self.took_s.append(took_s)
            self.memory.append(read_memory(process.pid))
            self.private_bytes.append(_private_beside_this(process.pid))
            gpu = open_gpu()
            held = gpu.memory_of(process.pid) if gpu else None
            if held is not None:
                self.gpu_bytes.append(held)
            process.kill()


@dataclass(frozen=True)
class FreshStart:
    """Medians of fresh processes of one variant."""

    count: int
    median_s: float
    """from the start of the process to its first score"""
    least_s: float
    resident_bytes: int
    """after that score"""
    private_bytes: int
    """what no other process shares, but for the one that measures, which has the same libraries loaded"""
    anonymous_bytes: int
    """what is in no file, so that the system cannot drop it and read it again"""
    peak_bytes: int
    gpu_bytes: int | None
    """of the GPU's memory; none where that does not tell"""

    @classmethod
    def of(cls, start: Start) -> FreshStart:
        """Of what was started."""

        def median(sizes: list[int]) -> int:
            return int(statistics.median(sizes))

        return cls(
            count=len(start.took_s),
            median_s=statistics.median(start.took_s),
            least_s=min(start.took_s),
            resident_bytes=median([memory.resident for memory in start.memory]),
            private_bytes=median(start.private_bytes),
            anonymous_bytes=median([memory.anonymous for memory in start.memory]),
            peak_bytes=median([memory.peak for memory in start.memory]),
            gpu_bytes=median(start.gpu_bytes) if start.gpu_bytes else None,
        )


def start_all(starts: list[Start], rounds: int) -> None:
    """Start all of them in every round, one after the other, in an order that changes.

    Args:
        starts: What to start; they are filled in.
        rounds: How often, after a round that builds caches and lets the system read the files.
    """
    for start in starts:
        warming = Start(start.name, start.command)
        warming.run()
        (start.warm_up_s,) = warming.took_s
    for number in range(rounds):
        shift = number % len(starts)
        for start in starts[shift:] + starts[:shift]:
            start.run()


def _private_beside_this(pid: int) -> int:
    """What would be private if this process were not there: files that only it maps, too, count as private."""
    others: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name not in {str(pid), str(os.getpid())}:
            with contextlib.suppress(OSError):  # of another user, or over
                others.update(_mapped_file(line) for line in (process / "maps").read_text().splitlines())
    total, alone = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in {"Private_Clean", "Private_Dirty"} or (alone and name in {"Shared_Clean", "Shared_Dirty"}):
            total += 1024 * int(value.split()[0])
        elif "-" in name.split(" ")[0]:  # the next mapping begins
            file = _mapped_file(line)
            alone = file.startswith("/") and file not in others
    return total


def _mapped_file(line: str) -> str:
    """The sixth column of ``maps``, empty for memory that is in no file."""
    columns = line.split(maxsplit=5)
    return columns[5] if len(columns) == 6 else ""
