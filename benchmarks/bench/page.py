"""The page of a benchmark: one file that opens offline, with every figure and charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asd_edge.benchmarks.bench import charts
from asd_edge.benchmarks.bench.charts import Row
from asd_edge.benchmarks.bench.results import Bench, Result
from asd_edge.benchmarks.bench.tables import WORDS, Columns, columns_of, explanations, megabytes, milliseconds
from asd_edge.benchmarks.bench.tables import microphones as microphones_in_words
from asd_edge.benchmarks.bench.tables import quality as quality_in_words
from asd_edge.benchmarks.drawing import NO_CHARTS, can_draw
from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.contract.parity import MAX_ERROR_OVER_SPREAD
from asd_edge.calibration.wording import counted
from asd_edge.runtime.reports.page import render

_TEMPLATE = Path(__file__).parent / "pages" / "bench.html"
_LATENCY = {"median": "one", "p95": "three", "p99": "bad"}
"""The colours of the marks in the chart of times."""
_SPREAD = ("least", *_LATENCY, "worst")
_PARTS = {"copy_s": "four", "front_end_s": "two", "encoder_s": "one", "scoring_s": "three"}
"""The colours of the parts of the time."""


def write_page(bench: Bench, path: Path) -> None:
    """Write the page.

    Args:
        bench: What to show.
        path: The file to write.

    Raises:
        InputError: The folder cannot be written to.
    """
    draws = can_draw()
    text = render(
        _TEMPLATE,
        device=_device(bench),
        charts={name: draw(bench) if draws else "" for name, draw in _CHARTS.items()},
        no_charts="" if draws else NO_CHARTS,
        limit=f"{100 * MAX_ERROR_OVER_SPREAD:g} %",
        tables=[_table(bench, columns) for columns in columns_of(bench)],
        words=WORDS,
        explanations=explanations(bench),
        left_out=bench.left_out,
        models=bench.models,
        flags=" ".join(bench.device["cpu_flags"]) or "not told",
    )
    with write_whole(path) as file:
        file.write(text.encode())


def _device(bench: Bench) -> dict[str, str]:
    device = bench.device
    memory = device["memory_bytes"]
    gpu: Mapping[str, Any] | None = device["gpu"]
    return {
        "Processor": f"{device['processor']}, {counted(device['cores'], 'core')}, {device['architecture']}",
        "Memory": f"{memory / 1e9:.1f} GB" if memory else "not told",
        "GPU": f"{gpu['name']}, {gpu['memory_bytes'] / 1e9:.1f} GB, driver {gpu['driver']}"
        if gpu
        else "none that tells",
        "Clock policy": device["governor"] or "not told by the kernel",
        "System": device["system"],
        "Versions": ", ".join(f"{name} {version}" for name, version in bench.versions.items()),
        "Measured": f"{bench.created}, {bench.duration_s:g} s for each, {counted(bench.rounds, 'round')}, "
        f"{bench.disturbed} disturbed",
    }


def _table(bench: Bench, columns: Columns) -> dict[str, Any]:
    """A table for the template: its columns, and the cells of each combination."""
    rows = [
        {
            "name": result.combination.name,
            "marked": result.marked,
            "cells": {name: cell(bench, result) for name, cell in columns.items()},
        }
        for result in bench.results
    ]
    return {"columns": list(columns), "rows": rows}


def _latency(bench: Bench) -> str:
    rows = [
        Row(
            result.combination.name,
            {
                name: 1000.0 * getattr(result.latency, f"{name}_s")
                for name in ("least", "median", "p95", "p99", "worst")
            },
            milliseconds(result.latency.median_s),
            result.marked,
        )
        for result in bench.results
    ]
    return charts.ranges_svg(rows, "Times of a batch", "ms", _LATENCY)


def _parts(bench: Bench) -> str:
    """Draw what was told apart, of the combinations of which anything was."""
    rows = []
    for result in bench.results:
        parts = result.parts
        if parts.encoder_s is None and parts.copy_s is None:
            continue
        told = {name: value for name in _PARTS if (value := getattr(parts, name)) is not None}
        text = " + ".join(map(milliseconds, told.values()))
        values = {_PARTS[name]: value for name, value in told.items()}
        rows.append(Row(result.combination.name, values, text, result.marked))
    return charts.bars_svg(rows, "Parts of the time") if rows else ""


def _microphones(bench: Bench) -> str:
    rows = [
        Row(
            result.combination.name,
            {"one": float(result.microphones.microphones or 0)},
            microphones_in_words(result),
            result.marked,
        )
        for result in bench.results
    ]
    return charts.bars_svg(rows, "Microphones carried")


def _memory(bench: Bench) -> str:
    """Draw the memory of each model; a larger batch does not start anew."""
    rows = [row for result in bench.results if (row := _memory_row(bench, result)) is not None]
    return charts.bars_svg(rows, "Memory of a process") if rows else ""


def _memory_row(bench: Bench, result: Result) -> Row | None:
    smallest = min(each.combination.batch for each in bench.results)
    start = result.start
    if start is None or start.resident_bytes is None or result.combination.batch != smallest:
        return None
    in_no_file = start.anonymous_bytes or 0
    values = {"one": float(in_no_file), "line": float(max(0, start.resident_bytes - in_no_file))}
    text = f"{megabytes(start.resident_bytes)} MB, {start.median_s:.2f} s"
    return Row(result.combination.name, values, text, result.marked)


def _quality(bench: Bench) -> str:
    """Draw errors over the spread, of the combinations that were compared."""
    rows = [
        Row(result.combination.name, {"four": error}, quality_in_words(result), result.marked)
        for result in bench.results
        if result.quality and (error := result.quality.error_over_spread) is not None
    ]
    return charts.bars_svg(rows, "Error over the spread", MAX_ERROR_OVER_SPREAD) if rows else ""


_CHARTS: Mapping[str, Callable[[Bench], str]] = {
    "latency": _latency,
    "parts": _parts,
    "microphones": _microphones,
    "memory": _memory,
    "quality": _quality,
}
