"""Pictures of a benchmark as SVG: a row for each combination."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 900
_LEFT, _MOST_LEFT = 280, 450
_LETTER = 7.0
"""Widths: of what is left of the rows, for their labels, and of a letter of these."""
_RIGHT = 150
_ROW, _TOP, _BOTTOM = 26, 8, 26
_LOG_FROM = 12.0
"""Times that differ by more than this factor are drawn on a logarithmic axis, or the fast ones are all alike."""


@dataclass(frozen=True)
class Row:
    """One combination."""

    label: str
    values: Mapping[str, float]
    """by CSS class, in the order in which they are drawn"""
    text: str
    """behind them"""
    marked: bool = False
    """whether its quality fails"""


def bars_svg(rows: Sequence[Row], what: str, limit: float = 0.0) -> str:
    """Bars, whose values follow each other.

    Args:
        rows: At least one.
        what: For those who cannot see it.
        limit: Where to draw a line, if anywhere.
    """
    longest = max(limit, *(sum(row.values.values()) for row in rows)) or 1.0
    left = _left(rows)
    per_unit = (_WIDTH - left - _RIGHT) / longest
    parts = []
    for index, row in enumerate(rows):
        y, x = _TOP + index * _ROW, left
        for css, value in row.values.items():
            parts.append(
                f'<rect class="{css}" x="{x:.1f}" y="{y + 4}" width="{value * per_unit:.1f}" height="{_ROW - 9}"/>'
            )
            x += value * per_unit
        parts += _texts(row, y, max(x, left + limit * per_unit))
    if limit:
        at = left + limit * per_unit
        parts.append(f'<path class="limit" d="M{at:.1f} {_TOP}V{_TOP + len(rows) * _ROW}"/>')
    return _svg(parts, len(rows), what, 0)


def ranges_svg(rows: Sequence[Row], what: str, unit: str) -> str:
    """Where values lie: a line from ``least`` to ``worst``, with a mark at each of the others.

    Args:
        rows: At least one; the values are above 0.
        what: For those who cannot see it.
        unit: Of the axis.
    """
    low = min(row.values["least"] for row in rows)
    high = max(row.values["worst"] for row in rows)
    left = _left(rows)
    inner = _WIDTH - left - _RIGHT
    logarithmic = high / low > _LOG_FROM
    low, high = (0.9 * low, 1.05 * high) if logarithmic else (0.0, 1.05 * high)

    def x(value: float) -> float:
        at = math.log(value / low) / math.log(high / low) if logarithmic else (value - low) / (high - low)
        return left + at * inner

    parts = _grid(low, high, logarithmic, x, len(rows))
    for index, row in enumerate(rows):
        y = _TOP + index * _ROW
        middle = y + _ROW / 2
        values = row.values
        parts.append(f'<path class="range" d="M{x(values["least"]):.1f} {middle}H{x(values["worst"]):.1f}"/>')
        for css, value in values.items():
            if css == "median":
                parts.append(f'<circle class="median" cx="{x(value):.1f}" cy="{middle}" r="5"/>')
            else:
                parts.append(f'<path class="{css}" d="M{x(value):.1f} {y + 6}V{y + _ROW - 6}"/>')
        parts += _texts(row, y, x(values["worst"]))
    scale = f"{unit}{', logarithmic' if logarithmic else ''}"
    bottom = _TOP + len(rows) * _ROW
    parts.append(f'<text class="unit" x="{_WIDTH}" y="{bottom + 15}">{scale}</text>')
    return _svg(parts, len(rows), what, _BOTTOM)


def _left(rows: Sequence[Row]) -> float:
    return min(_MOST_LEFT, max(_LEFT, *(_LETTER * len(row.label) for row in rows)))


def _texts(row: Row, y: float, ends_at: float) -> list[str]:
    css = "label marked" if row.marked else "label"
    return [
        f'<text class="{css}" x="0" y="{y + _ROW - 9}">{escape(row.label)}</text>',
        f'<text class="value" x="{ends_at + 7:.1f}" y="{y + _ROW - 9}">{escape(row.text)}</text>',
    ]


def _grid(low: float, high: float, logarithmic: bool, x: Callable[[float], float], rows: int) -> list[str]:
    bottom = _TOP + rows * _ROW
    return [
        f'<path class="grid" d="M{x(tick):.1f} {_TOP}V{bottom}"/>'
        f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 15}">{tick:.3g}</text>'
        for tick in _ticks(low, high, logarithmic)
    ]


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    """Round numbers: 1, 2 and 5 times powers of ten, or multiples of one of them."""
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    else:
        rough = (high - low) / 5.0
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        ticks = [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [tick for tick in ticks if low <= tick <= high]


def _svg(parts: Sequence[str], rows: int, what: str, axis: int) -> str:
    height = _TOP + rows * _ROW + axis + 4
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(what)}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )
