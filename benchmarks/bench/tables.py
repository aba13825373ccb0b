"""The figures of a benchmark as tables and sentences, the same on screen and on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.table import Table
from rich.text import Text

from asd_edge.benchmarks.bench.measures.capacity import SPARE
from asd_edge.benchmarks.bench.results import Bench, Result
from asd_edge.benchmarks.probes.energy import NOT_AVAILABLE
from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.inference.placement import describe_nodes

WORDS = ("nodes",)
"""The columns that hold words and no figures."""
NOTHING = "–"

Columns = Mapping[str, Callable[[Bench, Result], str]]

SPEED: Columns = {
    "first": lambda _, result: milliseconds(result.first_s),
    "median": lambda _, result: milliseconds(result.latency.median_s),
    "p95": lambda _, result: milliseconds(result.latency.p95_s),
    "p99": lambda _, result: milliseconds(result.latency.p99_s),
    "worst ms": lambda _, result: milliseconds(result.latency.worst_s),
    "windows/s": lambda _, result: significant(result.windows_per_s),
    "real time": lambda bench, result: f"{bench.real_time_factor(result):.2g}",
    "microphones": lambda _, result: microphones(result),
}
"""How fast a combination is."""
COST: Columns = {
    "start s": lambda _, result: significant(result.start.median_s) if result.start else NOTHING,
    "resident": lambda _, result: megabytes(result.start.resident_bytes if result.start else None),
    "in no file": lambda _, result: megabytes(result.start.anonymous_bytes if result.start else None),
    "GPU": lambda _, result: megabytes(result.start.gpu_bytes if result.start else None),
    "file MB": lambda bench, result: megabytes(bench.models[result.combination.model].size_bytes),
    "J/window": lambda _, result: significant(result.energy.joules_per_window) if result.energy else NOTHING,
    "cosine": lambda _, result: _cosine(result),
    "error / nearest": lambda _, result: quality(result),
}
"""What a combination costs."""
AREAS: Columns = {
    "AUC": lambda _, result: f"{result.areas.auc:.3f}" if result.areas else NOTHING,
    "Ω": lambda _, result: f"{result.areas.official_score:.3f}" if result.areas else NOTHING,
}
"""How well a combination finds faults on recordings."""
PARTS: Columns = {
    "copy": lambda _, result: milliseconds(result.parts.copy_s),
    "front end": lambda _, result: milliseconds(result.parts.front_end_s),
    "encoder": lambda _, result: milliseconds(result.parts.encoder_s),
    "scoring ms": lambda _, result: milliseconds(result.parts.scoring_s),
    "load s": lambda _, result: significant(result.load_s),
    "nodes": lambda _, result: where(result),
}
"""Where the time goes."""


def columns_of(bench: Bench) -> list[Columns]:
    """The columns of each table."""
    measured = any(result.areas for result in bench.results)
    return [SPEED, PARTS, {**COST, **(AREAS if measured else {})}]


def tables(bench: Bench) -> list[Table]:
    """The tables for the screen, with a row for each combination."""
    return [_table(bench, columns) for columns in columns_of(bench)]


def _table(bench: Bench, columns: Columns) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2))
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, no_wrap=True, justify="left" if name in WORDS else "right")
    for result in bench.results:
        style = "red" if result.marked else ""
        cells = [Text(visible(cell(bench, result))) for cell in columns.values()]
        table.add_row(Text(visible(result.combination.name)), *cells, style=style)
    return table


def _cosine(result: Result) -> str:
    if result.quality is None or result.quality.cosine is None:
        return NOTHING
    return f"{result.quality.cosine:.6f}"


def milliseconds(seconds: float | None) -> str:
    """A time in milliseconds, with as many digits as mean anything."""
    return NOTHING if seconds is None else significant(1000.0 * seconds)


def megabytes(size: int | None) -> str:
    """A size in millions of bytes."""
    return NOTHING if size is None else significant(size / 1e6)


def significant(value: float) -> str:
    """A number with three digits, or with all of those before the point."""
    return f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"


def microphones(result: Result) -> str:
    """How many microphones are carried; at least or less than so many where the time was over too early."""
    carried = result.microphones
    if carried.microphones is None:
        return f"< {min(count for count, _ in carried.trials)}"
    return f"{'' if carried.limit_found else '≥ '}{carried.microphones}"


def quality(result: Result) -> str:
    """The error over the spread and the change of the nearest distance, in percent; a failure comes first."""
    found = result.quality
    if found is None:
        return NOTHING
    if found.error_over_spread is None or found.nearest_change is None:
        return "FAILS: not a number"
    shown = f"{_percent(found.error_over_spread)} / {_percent(found.nearest_change)}"
    return shown if found.within_limits else f"FAILS: {shown}"


def _percent(share: float) -> str:
    """A share in percent; what is less than a hundredth of a percent is rounding."""
    return "< 0.01 %" if 0.0 < share < 1e-4 else f"{100.0 * share:.2g} %"


def where(result: Result) -> str:
    """Which nodes run where, and all else that is to be known; what is left to the CPU is among the notes."""
    elsewhere = {provider: operators for provider, operators in result.nodes.items() if provider != "cpu"}
    return "; ".join([describe_nodes(elsewhere or result.nodes), *result.notes])


def explanations(bench: Bench) -> list[str]:
    """The sentences under the tables, which say what the figures mean."""
    compared = sorted({result.quality.compared for result in bench.results if result.quality})
    sentences = [
        f"Times of a batch from sound to scores, against {bench.references:,} references; the first apart, warm ones "
        f"from {counted(bench.rounds, 'round')}, in which all take turns.",
        f"Microphones: the most whose windows, one every {bench.hop_s:g} s, were all scored in time with "
        f"{100 * SPARE:.0f} % of it to spare. Recording and resampling are not in it.",
        "Start: from the start of a process to its first score; its memory after that.",
        "Quality: largest error over the spread of the embeddings, and largest change of the distance to the nearest "
        f"neighbour{'; ' + '; '.join(compared) if compared else ''}.",
    ]
    if bench.disturbed:
        what = "were repeated" if bench.quiet else "count, as there were no others"
        sentences.insert(0, f"Something else took this computer in {counted(bench.disturbed, 'round')}, which {what}.")
    if not any(result.energy for result in bench.results):
        sentences.append(f"Energy is not available: {NOT_AVAILABLE}.")
    return sentences
