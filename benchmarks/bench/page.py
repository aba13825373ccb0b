"""The page of a benchmark: one file that opens offline, with every figure and plots."""

from __future__ import annotations

import string
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from asd_edge.benchmarks.bench import words
from asd_edge.benchmarks.bench.charts import Row, bars_svg, ranges_svg
from asd_edge.benchmarks.bench.results import Bench, Result
from asd_edge.benchmarks.bench.tables import AREAS, COST, PARTS, SPEED, Columns
from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.contract.parity import MAX_ERROR_OVER_SPREAD

_PARTS = {"copy": "copy_s", "front-end": "front_end_s", "encoder": "encoder_s", "scoring": "scoring_s"}
"""CSS class -> field"""


def write_page(bench: Bench, path: Path) -> None:
    """Write the page.

    Args:
        bench: What to show.
        path: Where.

    Raises:
        InputError: The folder cannot be written to.
    """
    template = string.Template((Path(__file__).parent / "pages" / "bench.html").read_text(encoding="utf-8"))
    measured = any(result.areas for result in bench.results)
    text = template.substitute(
        device=_definitions(_device(bench)),
        latency=ranges_svg([_latency(result) for result in bench.results], "Times of a batch", "ms"),
        parts=_parts(bench),
        microphones=bars_svg([_microphones(result) for result in bench.results], "Microphones carried"),
        memory=_memory(bench),
        quality=_quality(bench),
        limit=f"{100 * MAX_ERROR_OVER_SPREAD:g} %",
        tables="\n".join(_table(bench, each) for each in (SPEED, PARTS, {**COST, **(AREAS if measured else {})})),
        explanations="\n".join(f"<p class='note'>{escape(sentence)}</p>" for sentence in words.explanations(bench)),
        left_out=_left_out(bench),
        models=_definitions(
            {
                label: f"{model.recipe}, {model.precision}, {model.dimensions} dimensions, SHA-256 {model.sha256}"
                for label, model in bench.models.items()
            }
        ),
        flags=escape(" ".join(bench.device["cpu_flags"]) or "not told"),
    )
    with write_whole(path) as file:
        file.write(text.encode())


def _device(bench: Bench) -> dict[str, str]:
    device = bench.device
    memory = device["memory_bytes"]
    gpu: Mapping[str, Any] | None = device["gpu"]
    return {
        "Processor": f"{device['processor']}, {device['cores']} cores, {device['architecture']}",
        "Memory": f"{memory / 1e9:.1f} GB" if memory else "not told",
        "GPU": f"{gpu['name']}, {gpu['memory_bytes'] / 1e9:.1f} GB, driver {gpu['driver']}"
        if gpu
        else "none that tells",
        "Clock policy": device["governor"] or "not told by the kernel",
        "System": device["system"],
        "Versions": ", ".join(f"{name} {version}" for name, version in bench.versions.items()),
        "Measured": f"{bench.created}, {bench.duration_s:g} s for each, {bench.rounds} rounds, "
        f"{bench.disturbed} disturbed",
    }


def _latency(result: Result) -> Row:
    latency = result.latency
    seconds = {
        "least": latency.least_s,
        "p95": latency.p95_s,
        "p99": latency.p99_s,
        "worst": latency.worst_s,
        "median": latency.median_s,
    }
    shown = {css: 1000.0 * value for css, value in seconds.items()}
    return Row(result.combination.name, shown, words.milliseconds(latency.median_s), result.marked)


def _microphones(result: Result) -> Row:
    carried = {"carried": float(result.microphones.microphones or 0)}
    return Row(result.combination.name, carried, words.microphones(result), result.marked)


def _parts(bench: Bench) -> str:
    """Stacked bars of what was told apart, of combinations in which anything was."""
    rows = []
    for result in bench.results:
        found = {css: getattr(result.parts, name) for css, name in _PARTS.items()}
        if found["encoder"] is None and found["copy"] is None:
            continue
        told = {css: value for css, value in found.items() if value is not None}
        text = " + ".join(words.milliseconds(value) for value in told.values())
        rows.append(Row(result.combination.name, told, text, result.marked))
    return bars_svg(rows, "Parts of the time") if rows else "<p class='note'>Not told apart here.</p>"


def _memory(bench: Bench) -> str:
    rows = [
        Row(
            result.combination.name,
            {
                "anonymous": float(result.start.anonymous_bytes or 0),
                "shared": float(max(0, resident - (result.start.anonymous_bytes or 0))),
            },
            f"{words.megabytes(resident)} MB, {result.start.median_s:.2f} s",
            result.marked,
        )
        for result in bench.results
        if result.start
        and (resident := result.start.resident_bytes)
        and result.combination.batch == min(each.combination.batch for each in bench.results)
    ]
    return bars_svg(rows, "Memory of a process") if rows else "<p class='note'>Not told here.</p>"


def _quality(bench: Bench) -> str:
    """Errors over the spread, of combinations that were compared."""
    rows = [
        Row(result.combination.name, {"error": error}, words.quality(result), result.marked)
        for result in bench.results
        if result.quality and (error := result.quality.error_over_spread) is not None
    ]
    if not rows:
        return "<p class='note'>No model in fp32 to compare with.</p>"
    return bars_svg(rows, "Error over the spread", MAX_ERROR_OVER_SPREAD)


def _table(bench: Bench, columns: Columns) -> str:
    rows = [
        f"<tr{' class=marked' if result.marked else ''}><th>{escape(result.combination.name)}</th>"
        + "".join(
            f"<td{' class=words' if name == 'nodes' else ''}>{escape(cell(bench, result))}</td>"
            for name, cell in columns.items()
        )
        + "</tr>"
        for result in bench.results
    ]
    heads = "".join(f"<th{' class=words' if name == 'nodes' else ''}>{escape(name)}</th>" for name in columns)
    return (
        f'<div class="wide"><table><thead><tr><th></th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _left_out(bench: Bench) -> str:
    if not bench.left_out:
        return ""
    items = {each.name: f"{each.reason} {f'→ {each.next_step}' if each.next_step else ''}" for each in bench.left_out}
    return f"<h2>Left out</h2><dl>{_definitions(items)}</dl>"


def _definitions(items: Mapping[str, str]) -> str:
    return "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in items.items())
