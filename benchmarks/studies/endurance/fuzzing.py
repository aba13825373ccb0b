"""What tries a reader on inputs that nobody meant, by the ten thousand, and counts how it bears them.

A reader is tried in a process of its own, so that one that crashes, hangs or eats the memory is found out and the next
input has its turn. Every input comes from the number of the trial alone: `Mutations.input` gives it again.
"""

import contextlib
import faulthandler
import json
import logging
import os
import resource
import select
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.studies.endurance.mutations import Mutate, Mutations, mutate_bytes
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings

log = logging.getLogger(__name__)

TryOne = Callable[[bytes], None]
"""Reads one input. It returns, or raises InputError; everything else is a fault."""

TIME_LIMIT_S = 10.0
"""Reading a small file takes milliseconds, and a busy computer may stop for seconds: what takes longer hangs."""
MEMORY_LIMIT_BYTES = 512 << 20
"""How much memory one input may take more than all before it. Inputs have some ten thousand bytes."""
_HARD_LIMIT_BYTES = 4 << 30
"""By how much the address space of the process that tries may grow. What asks for more gets a MemoryError, and not the
last memory of this computer."""
_NICE = 10
_LOOK_EVERY = 10_000


@settings
class FuzzSettings:
    """Which inputs are tried."""

    inputs: Annotated[int, Setting("The number of inputs to try.", at_least=1, at_most=10**9)] = 100_000
    seed: Annotated[
        int,
        Setting("The number that says which inputs: another one makes others.", at_least=0, at_most=2**32 - 1),
    ] = 0
    keep: Annotated[Path | None, Setting("A folder that gets the first input of each way to fail.")] = None


@dataclass(frozen=True)
class Failure:
    """A way in which the reader failed, with the first input that showed it."""

    kind: str
    """``foreign`` (an exception that is no InputError), ``memory``, ``hang`` or ``crash``"""
    what: str
    """the exception and where it was raised, or the signal that ended the process"""
    example: str
    """what the exception said, or how much memory it was"""
    trial: int
    """the number of the first trial that failed so"""
    count: int
    """how many trials failed so"""


@dataclass(frozen=True)
class FuzzReport:
    """How a reader bore its inputs."""

    name: str
    inputs: int
    accepted: int
    """how many were read as if they were whole"""
    refused: int
    """how many ended in an InputError"""
    failures: tuple[Failure, ...]
    took_s: float
    slowest_s: float
    """how long the slowest input took that did not hang"""
    memory_bytes: int
    """how much the resident memory grew over all inputs of one process, at most"""

    def count(self, kind: str) -> int:
        """How many inputs failed in a way of this kind."""
        return sum(failure.count for failure in self.failures if failure.kind == kind)


def fuzz(
    name: str,
    seeds: Sequence[bytes],
    try_one: TryOne,
    inputs: int,
    seed: int = 0,
    mutate: Mutate | None = None,
    keep: Path | None = None,
) -> FuzzReport:
    """Try a reader on inputs that were mutated from whole ones.

    Args:
        name: What is fuzzed.
        seeds: Whole inputs.
        try_one: The reader.
        inputs: How many inputs are tried.
        seed: Which ones.
        mutate: What mutates them; `mutate_bytes` when left out.
        keep: A folder that gets the first input of each failure.

    Returns:
        What was found. The same arguments try the same inputs.
    """
    mutations = Mutations(seeds, seed, mutate or mutate_bytes)
    counts: Counter[str] = Counter()
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    slowest_s, memory, done, began = 0.0, 0, 0, time.monotonic()
    while done < inputs:
        worker = _Worker(mutations, try_one, range(done, inputs))
        for outcome in worker.outcomes():
            if outcome["kind"] in ("accepted", "refused"):
                counts[outcome["kind"]] += 1
            else:
                trials = found.setdefault((outcome["kind"], outcome["what"]), [])
                trials.append((done, outcome.get("example", "")))
                if len(trials) == 1:
                    log.info("%s, input %d: %s: %s %s", name, done, outcome["kind"], outcome["what"], trials[0][1])
            slowest_s = max(slowest_s, outcome.get("took_s", 0.0))
            memory = max(memory, outcome.get("memory", 0))
            done += 1
            if done % _LOOK_EVERY == 0:
                log.info("%s: %d of %d inputs, %d ways to fail", name, done, inputs, len(found))
    failures = tuple(
        Failure(kind, what, trials[0][1], trials[0][0], len(trials)) for (kind, what), trials in found.items()
    )
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for failure in failures:
            (keep / f"{name}-{failure.kind}-{failure.trial}").write_bytes(mutations.input(failure.trial))
    took_s = time.monotonic() - began
    return FuzzReport(name, inputs, counts["accepted"], counts["refused"], failures, took_s, slowest_s, memory)


def show(report: FuzzReport) -> None:
    """Print what a run found."""
    say(describe_host())
    heads = (
        *("fuzzed", "inputs", "read", "refused", "foreign", "crashes", "hangs", "memory"),
        *("slowest s", "grew by MB", "s"),
    )
    print_table(
        heads,
        [
            (
                report.name,
                str(report.inputs),
                str(report.accepted),
                str(report.refused),
                *(str(report.count(kind)) for kind in ("foreign", "crash", "hang", "memory")),
                f"{report.slowest_s:.2f}",
                f"{report.memory_bytes / 1e6:.0f}",
                f"{report.took_s:.0f}",
            )
        ],
    )
    for failure in report.failures:
        say(f"input {failure.trial} and {failure.count - 1} more: {failure.kind}: {failure.what} {failure.example}")


class _Worker:
    """A process that tries inputs one after the other, until one ends it.

    Args:
        mutations: Where the inputs come from.
        try_one: The reader.
        trials: Which inputs it tries.
    """

    def __init__(self, mutations: Mutations, try_one: TryOne, trials: range) -> None:
        self._trials = trials
        self._pipe, told = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            code = 1
            try:
                os.close(self._pipe)
                _try_all(mutations, try_one, trials, told)
                code = 0
            finally:
                os._exit(code)
        os.close(told)

    def outcomes(self) -> Any:
        """What came of each input, up to the last or to the one that ended the process."""
        left = len(self._trials)
        ended = ""
        with os.fdopen(self._pipe, "rb", buffering=0) as pipe:
            text = b""
            while left and not ended:
                ready, _, _ = select.select([pipe], [], [], TIME_LIMIT_S)
                data = pipe.read(1 << 16) if ready else None
                if data:
                    *lines, text = (text + data).split(b"\n")
                    for line in lines:
                        left -= 1
                        yield json.loads(line)
                else:
                    ended = "crash" if ready else "hang"
        if ended == "hang":
            os.kill(self._process, signal.SIGKILL)
        _, status = os.waitpid(self._process, 0)
        if ended == "hang":
            yield {"kind": "hang", "what": f"longer than {TIME_LIMIT_S:g} s"}
        elif ended and status != _ENOUGH << 8:
            what = signal.Signals(status).name if status in set(signal.Signals) else f"exit status {status >> 8}"
            yield {"kind": "crash", "what": what}


_ENOUGH = 77
"""The exit status of a process that took too much memory to go on; what it had tried it has told."""


def _try_all(mutations: Mutations, try_one: TryOne, trials: range, told: int) -> None:
    os.nice(_NICE)
    _end_pools()
    limit = _address_space_bytes() + _HARD_LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)  # decoders say there what they think of their inputs
    faulthandler.disable()
    at_first = before = _peak_bytes()
    for trial in trials:
        content = mutations.input(trial)
        began = time.monotonic()
        kind, what, example = _outcome(try_one, content)
        took_s, after = time.monotonic() - began, _peak_bytes()
        if after - before > MEMORY_LIMIT_BYTES:
            kind, what = "memory", f"more than {MEMORY_LIMIT_BYTES >> 20} MiB"
            example = f"{(after - before) >> 20} MiB for {len(content)} bytes"
        outcome = {"kind": kind, "what": what, "example": example, "took_s": took_s, "memory": after - at_first}
        os.write(told, json.dumps(outcome).encode() + b"\n")
        if kind == "memory":
            os._exit(_ENOUGH)  # the peak of a process never falls again
        before = after


def _end_pools() -> None:
    """Let OpenMP compute in this thread alone: it would wait for ever for the other threads of its pool.

    A process that was forked off does not have them. scikit-learn, which starts them, brings what can tell OpenMP so.
    """
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


def _outcome(try_one: TryOne, content: bytes) -> tuple[str, str, str]:
    try:
        try_one(content)
    except InputError:
        return "refused", "", ""
    except BaseException as error:  # noqa: BLE001  this is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = "memory" if isinstance(error, MemoryError) else "foreign"
        return kind, f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}", str(error)[:200]
    return "accepted", "", ""


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
