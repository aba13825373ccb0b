"""The tables of a benchmark on screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.table import Table
from rich.text import Text

from asd_edge.benchmarks.bench import words
from asd_edge.benchmarks.bench.results import Bench, Result

Columns = Mapping[str, Callable[[Bench, Result], str]]

SPEED: Columns = {
    "first": lambda _, result: words.milliseconds(result.first_s),
    "median": lambda _, result: words.milliseconds(result.latency.median_s),
    "p95": lambda _, result: words.milliseconds(result.latency.p95_s),
    "p99": lambda _, result: words.milliseconds(result.latency.p99_s),
    "worst ms": lambda _, result: words.milliseconds(result.latency.worst_s),
    "windows/s": lambda _, result: words.significant(result.windows_per_s),
    "real time": lambda bench, result: f"{bench.real_time_factor(result):.2g}",
    "microphones": lambda _, result: words.microphones(result),
}
"""How fast."""
COST: Columns = {
    "start s": lambda _, result: words.significant(result.start.median_s) if result.start else words.NOTHING,
    "resident": lambda _, result: words.megabytes(result.start.resident_bytes if result.start else None),
    "in no file": lambda _, result: words.megabytes(result.start.anonymous_bytes if result.start else None),
    "GPU": lambda _, result: words.megabytes(result.start.gpu_bytes if result.start else None),
    "file MB": lambda bench, result: words.megabytes(bench.models[result.combination.model].size_bytes),
    "J/window": lambda _, result: (
        words.significant(result.energy.joules_per_window) if result.energy else words.NOTHING
    ),
    "cosine": lambda _, result: _cosine(result),
    "error / nearest": lambda _, result: words.quality(result),
}
"""What it costs."""
AREAS: Columns = {
    "AUC": lambda _, result: f"{result.areas.auc:.3f}" if result.areas else words.NOTHING,
    "Ω": lambda _, result: f"{result.areas.official_score:.3f}" if result.areas else words.NOTHING,
}
"""How good, on recordings."""
PARTS: Columns = {
    "copy": lambda _, result: words.milliseconds(result.parts.copy_s),
    "front end": lambda _, result: words.milliseconds(result.parts.front_end_s),
    "encoder": lambda _, result: words.milliseconds(result.parts.encoder_s),
    "scoring ms": lambda _, result: words.milliseconds(result.parts.scoring_s),
    "load s": lambda _, result: words.significant(result.load_s),
    "nodes": lambda _, result: words.where(result),
}
"""Where the time goes."""


def tables(bench: Bench) -> list[Table]:
    """All of them."""
    measured = any(result.areas for result in bench.results)
    return [_table(bench, SPEED), _table(bench, PARTS), _table(bench, {**COST, **(AREAS if measured else {})})]


def _table(bench: Bench, columns: Columns) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2))
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, no_wrap=True, justify="left" if name == "nodes" else "right")
    for result in bench.results:
        style = "red" if result.marked else ""
        cells = [Text(cell(bench, result)) for cell in columns.values()]
        table.add_row(Text(result.combination.name), *cells, style=style)
    return table


def _cosine(result: Result) -> str:
    if result.quality is None or result.quality.cosine is None:
        return words.NOTHING
    return f"{result.quality.cosine:.6f}"
