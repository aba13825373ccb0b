"""Several things timed in one run, so that a computer that drifts is the same for all of them.

They take turns in every round, in an order that changes: only ratios within one run mean anything. A product of two
matrices beside them tells rounds in which something else took the computer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

_DISTURBED = 1.25
"""A round in which the probe takes this much longer than its recent median was disturbed."""
_PRODUCTS = 7
_RECENT = 20
"""The usual time is that of so many last probes, so a computer that stays slower for good becomes the usual."""
_SETTLE_S = 0.05
"""A pause in seconds after each turn, so that threads that still spin do not slow the next."""

T = TypeVar("T")


@dataclass(frozen=True)
class Round(Generic[T]):
    """One turn of each thing that is timed."""

    gave: list[list[T]]
    """what each gave, for every time in a row"""
    disturbed: bool
    """whether something else took the computer meanwhile"""


def interleave(runs: Sequence[Callable[[], T]], in_a_row: Sequence[int]) -> Iterator[Round[T]]:
    """Let each have its turn, round after round, without end.

    Args:
        runs: What to run; each measures itself and gives what it found.
        in_a_row: How often each runs in a turn. After the turns of others, the first time is slower.
    """
    probes: list[float] = []
    while True:
        probes.append(_probe())
        usual_s = statistics.median(probes[-_RECENT:])
        shift = len(probes) % len(runs)
        order = [*range(len(runs))]
        gave: list[list[T]] = [[] for _ in runs]
        for index in order[shift:] + order[:shift]:
            gave[index] = [runs[index]() for _ in range(in_a_row[index])]
            time.sleep(_SETTLE_S)
        yield Round(gave, max(probes[-1], _probe()) > _DISTURBED * usual_s)


def turns(usual_s: Iterable[float], longest_s: float, most: int) -> list[int]:
    """Choose how often each runs in a row, so that turns are about as long.

    Args:
        usual_s: The seconds that each takes, about.
        longest_s: The length of a turn in seconds.
        most: The most times that count. There is one more: the first after the turns of others finds the caches cold.
    """
    return [1 + max(1, min(most, int(longest_s / took_s))) for took_s in usual_s]


def seconds(run: Callable[[], object]) -> float:
    """Time one call, in seconds."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _probe() -> float:
    """Time something that always takes the same; the median, as a blink of the system is no disturbance."""
    matrix = np.ones((1024, 1024), np.float32)
    return statistics.median(seconds(lambda: matrix @ matrix) for _ in range(_PRODUCTS))
