"""Fresh processes: how long each takes to its first score, and in how much memory."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from asd_edge.benchmarks.probes.gpu import open_gpu
from asd_edge.benchmarks.probes.processes import PROGRAM, Memory, memory_is_told, read_memory
from asd_edge.runtime.own_process import code_command

_FIRST_SCORE = """
import sys
import numpy as np
from asd_edge.runtime import Model, load_bank
path, provider, threads, cache, bank = sys.argv[1:]
model = Model(path, provider, int(threads), cache=cache == "True")
window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
output = model.embed(window)
print(load_bank(bank).scorer().score(output) if bank else float(np.linalg.norm(output.embedding)), flush=True)
sys.stdin.read()
"""


@dataclass
class Start:
    """Fresh processes of one variant, and what was measured of each."""

    name: str
    command: list[str]
    """a program and its arguments; it prints a line when it has a score"""
    marks: str = ""
    """what the line of a score holds, where a program prints others before it"""
    waits: bool = True
    """whether the program then waits for its input to end, so that its memory can be looked at"""
    took_s: list[float] = field(default_factory=list)
    """from the start of the process to that line"""
    memory: list[Memory] = field(default_factory=list)
    """the memory of each process after its score; empty where it does not wait, or memory cannot be read"""
    gpu_bytes: list[int] = field(default_factory=list)
    """the memory of the GPU that each held, where the GPU tells"""
    warm_up_s: float | None = None
    """what the process before all others took, which builds caches"""

    @classmethod
    def of_python(cls, name: str, program: str, *arguments: object) -> Start:
        """A Python program, given as its text.

        Args:
            name: What the variant is called.
            program: The text; it prints a line when it has a score, and then waits for its input to end.
            arguments: What the program is given.
        """
        return cls(name, code_command(program, *arguments))

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
        """From nothing to the score of one window, in Python.

        Args:
            name: What the variant is called.
            model: The model file.
            provider: Where the model runs, as for `Model`.
            threads: How many threads of the processor it has, as for `Model`.
            cache: Whether it starts from its cache, as for `Model`.
            bank: The bank to score with; without one, the score is the norm of the embedding.
        """
        return cls.of_python(name, _FIRST_SCORE, model, provider, threads, cache, bank or "")

    @classmethod
    def of_listen(cls, bank: Path, sound: Path, model: str = "logmel") -> Start:
        """From nothing to the first score of `asd-edge listen`.

        Args:
            bank: The bank to score with.
            sound: The file to listen to.
            model: The model of the bank, as for `Model`.
        """
        command = [PROGRAM, "listen", "--model", model, "--bank", str(bank), "--input", str(sound), "--json"]
        return cls("asd-edge listen", command, marks='"score"', waits=False)

    def run(self) -> None:
        """Start a process, wait for its score and look at its memory.

        Raises:
            RuntimeError: The process ended without a score.
        """
        began = time.perf_counter()
        with subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            scored = any(self.marks in line for line in process.stdout or ())
            took_s = time.perf_counter() - began
            if not scored:
                raise RuntimeError(f"{self.name} ended without a score")
            self.took_s.append(took_s)
            if self.waits and memory_is_told():
                self.memory.append(read_memory(process.pid))
            gpu = open_gpu()
            held = gpu.memory_of(process.pid) if gpu else None
            if held is not None:
                self.gpu_bytes.append(held)
            process.kill()


@dataclass(frozen=True)
class FreshStart:
    """The medians of fresh processes of one variant."""

    count: int
    """how many processes were started"""
    median_s: float
    """from the start of the process to its first score"""
    least_s: float
    resident_bytes: int | None
    """after that score; none, as what follows, where memory cannot be read"""
    anonymous_bytes: int | None
    """what is in no file, so that the system cannot drop it and read it again"""
    peak_bytes: int | None
    gpu_bytes: int | None
    """the memory of the GPU; none where the GPU does not tell"""

    @classmethod
    def of(cls, start: Start) -> FreshStart:
        """Take the medians of what was started."""

        def median(size: Callable[[Memory], int]) -> int | None:
            return int(statistics.median(map(size, start.memory))) if start.memory else None

        return cls(
            count=len(start.took_s),
            median_s=statistics.median(start.took_s),
            least_s=min(start.took_s),
            resident_bytes=median(lambda memory: memory.resident),
            anonymous_bytes=median(lambda memory: memory.anonymous),
            peak_bytes=median(lambda memory: memory.peak),
            gpu_bytes=int(statistics.median(start.gpu_bytes)) if start.gpu_bytes else None,
        )


def start_all(starts: list[Start], rounds: int) -> None:
    """Start all of them in every round, one after the other, in an order that changes.

    Args:
        starts: What to start; what is measured is added to each.
        rounds: How often, after one round that builds caches and lets the system read the files.
    """
    for start in starts:
        warming = Start(start.name, start.command, start.marks, start.waits)
        warming.run()
        (start.warm_up_s,) = warming.took_s
    for number in range(rounds):
        shift = number % len(starts)
        for start in starts[shift:] + starts[:shift]:
            start.run()
