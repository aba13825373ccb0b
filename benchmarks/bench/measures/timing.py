"""The timing of a benchmark: all combinations interleaved, and what only one at a time can tell."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asd_edge.benchmarks.bench.measures.execution import Execution, Took
from asd_edge.benchmarks.bench.measures.node_times import node_times
from asd_edge.benchmarks.probes.energy import Energy, find_meter
from asd_edge.benchmarks.probes.interleaved import Round, interleave, turns
from asd_edge.runtime.inference.cuda_graph import GRAPH_SETTINGS

_LONGEST_TURN_S = 0.25
_MOST_IN_A_ROW = 25
_MOST_TIMES = 3
"""How much longer than planned the timing may take where rounds are disturbed; then disturbed ones count."""
_ENERGY_SHARE = 0.1
"""The share of the duration in which windows follow each other while energy is counted: longer than meters need."""


@dataclass(frozen=True)
class Parts:
    """The medians of what a batch's time is made of; none where the runtime does not tell them apart."""

    copy_s: float | None
    """the copies to the memory of a GPU and back"""
    front_end_s: float | None
    encoder_s: float | None
    scoring_s: float
    """scoring all windows of the batch against the nearest of all references"""


@dataclass(frozen=True)
class Timed:
    """What the rounds gave."""

    took: tuple[tuple[Took, ...], ...]
    """what every batch of each combination took, but for the first of each turn"""
    kept: int
    disturbed: int
    """rounds that were repeated because something else took the computer"""
    quiet: bool
    """whether there were enough undisturbed rounds; if not, the disturbed ones are kept"""


def time_all(executions: Sequence[Execution], duration_s: float, progress: Callable[[float], None]) -> Timed:
    """Time combinations, interleaved.

    Args:
        executions: The combinations, each of which has run before.
        duration_s: The seconds for each of them; at least one round is completed.
        progress: Called after every round with how many seconds are left.
    """
    in_a_row = turns((execution().total_s for execution in executions), _LONGEST_TURN_S, _MOST_IN_A_ROW)
    wanted_s = duration_s * len(executions)
    kept: list[Round[Took]] = []
    disturbed: list[Round[Took]] = []
    began = time.perf_counter()
    timed_s = 0.0
    for each in interleave(executions, in_a_row):
        (disturbed if each.disturbed else kept).append(each)
        took_s = time.perf_counter() - began
        if not each.disturbed:
            timed_s += sum(took.total_s for turn in each.gave for took in turn)
        progress(max(0.0, min(wanted_s - timed_s, _MOST_TIMES * wanted_s - took_s)))
        if timed_s >= wanted_s or took_s >= _MOST_TIMES * wanted_s:
            break
    chosen = kept or disturbed
    took = tuple(tuple(took for each in chosen for took in each.gave[index][1:]) for index in range(len(executions)))
    return Timed(took, len(chosen), len(disturbed), bool(kept))


def parts_of(execution: Execution, took: Sequence[Took]) -> Parts:
    """Tell what the time of a combination is made of.

    Args:
        execution: The combination.
        took: What its batches took.
    """
    copies = [each.copy_s for each in took if each.copy_s is not None]
    chosen = execution.combination
    # Other providers run their nodes as one, or out of step with the profile.
    nodes = node_times(execution.path, chosen.threads, execution.a_batch) if chosen.provider == "cpu" else None
    return Parts(
        copy_s=statistics.median(copies) if copies else None,
        front_end_s=nodes.front_end_s if nodes else None,
        encoder_s=nodes.encoder_s if nodes else None,
        scoring_s=statistics.median(each.scoring_s for each in took),
    )


def energy_of(execution: Execution, duration_s: float) -> Energy | None:
    """Let a combination run without a pause and count what that takes, where the device tells."""
    meter = find_meter(execution.combination.provider in GRAPH_SETTINGS)
    if meter is None:
        return None
    windows = 0

    def run() -> None:
        nonlocal windows
        ends = time.perf_counter() + _ENERGY_SHARE * duration_s
        while not windows or time.perf_counter() < ends:
            execution()
            windows += execution.combination.batch

    joules = meter.joules(run)
    return Energy(joules / windows, meter.source)
