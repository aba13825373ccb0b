"""The figures of a benchmark in words, the same on screen and on the page."""

from __future__ import annotations

from asd_edge.benchmarks.bench.capacity import SPARE
from asd_edge.benchmarks.bench.results import Bench, Result
from asd_edge.benchmarks.probes.energy import NOT_AVAILABLE
from asd_edge.runtime.inference.placement import describe_nodes

NOTHING = "–"


def milliseconds(seconds: float | None) -> str:
    """With as many digits as mean anything."""
    return NOTHING if seconds is None else significant(1000.0 * seconds)


def megabytes(size: int | None) -> str:
    """Millions of bytes."""
    return NOTHING if size is None else significant(size / 1e6)


def significant(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"


def microphones(result: Result) -> str:
    """How many are carried; at least or less than so many where the time was over before more was known."""
    carried = result.microphones
    if carried.microphones is None:
        return f"< {min(count for count, _ in carried.trials)}"
    return f"{'' if carried.limit_found else '≥ '}{carried.microphones}"


def quality(result: Result) -> str:
    """Error over spread and change of the nearest distance, in percent; a failure comes first."""
    found = result.quality
    if found is None:
        return NOTHING
    if found.error_over_spread is None or found.nearest_change is None:
        return "FAILS: not a number"
    shown = f"{_percent(found.error_over_spread)} / {_percent(found.nearest_change)}"
    return shown if found.within_limits else f"FAILS: {shown}"


def _percent(share: float) -> str:
    """What is less than a hundredth of a percent is rounding."""
    return "< 0.01 %" if 0.0 < share < 1e-4 else f"{100.0 * share:.2g} %"


def where(result: Result) -> str:
    """Which nodes run where, and all else that is to be known of it: what is left to the CPU is among the notes."""
    elsewhere = {provider: operators for provider, operators in result.nodes.items() if provider != "cpu"}
    return "; ".join([describe_nodes(elsewhere or result.nodes), *result.notes])


def explanations(bench: Bench) -> list[str]:
    """What the figures mean, sentences for under the tables."""
    compared = sorted({result.quality.compared for result in bench.results if result.quality})
    sentences = [
        f"Times of a batch from sound to scores, against {bench.references:,} references; the first apart, warm ones "
        f"from {bench.rounds} rounds, in which all take turns.",
        f"Microphones: the most whose windows, one every {bench.hop_s:g} s, were all scored in time with "
        f"{100 * SPARE:.0f} % of it to spare. Recording and resampling are not in it.",
        "Start: from the start of a process to its first score; its memory after that.",
        "Quality: largest error over the spread of the embeddings, and largest change of the distance to the nearest "
        f"neighbour{'; ' + '; '.join(compared) if compared else ''}.",
    ]
    if bench.disturbed:
        what = "were repeated" if bench.quiet else "count, as there were no others"
        sentences.insert(0, f"Something else took the machine in {bench.disturbed} rounds, which {what}.")
    if not any(result.energy for result in bench.results):
        sentences.append(f"Energy is not available: {NOT_AVAILABLE}.")
    return sentences
