"""The charts of a benchmark: a row for each combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asd_edge.benchmarks.drawing import COLOURS, embedded, figure_of_page, name_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 900.0
_ROW, _AXIS = 26.0, 40.0
"""The height of a row, and of the axis below, in pixels."""
_LOG_FROM = 12.0
"""Times that differ by more than this factor are drawn on a logarithmic axis, or the fast ones are all alike."""
_ROOM_FOR_TEXT = 1.2
"""The axis goes on so much beyond the largest value, for the text behind it."""
_BETWEEN = ("least", "worst")
"""What the line of a range is drawn between."""


@dataclass(frozen=True)
class Row:
    """What is drawn of one combination."""

    label: str
    values: Mapping[str, float]
    """the values by the name of their colour, in the order in which they are drawn"""
    text: str
    """the text behind them"""
    marked: bool = False
    """whether the quality of this combination fails"""


def bars_svg(rows: Sequence[Row], what: str, limit: float = 0.0) -> str:
    """Draw bars, whose values follow each other.

    Args:
        rows: The combinations, at least one.
        what: What is shown, for those who cannot see it.
        limit: Where to draw a line, if anywhere.
    """
    longest = max(limit, *(sum(row.values.values()) for row in rows)) or 1.0
    with figure_of_page(_WIDTH, _ROW * len(rows) + 12.0) as (figure, axes):
        for place, row in enumerate(rows):
            ends = 0.0
            for colour, value in row.values.items():
                axes.barh(place, value, 0.65, left=ends, color=COLOURS[colour], gid=name_class("bar"))
                ends += value
            _write(axes, place, max(ends, limit), row)
        if limit:
            axes.axvline(limit, color=COLOURS["ink"], linestyle="--", linewidth=1.0)
        axes.set_xlim(0.0, _ROOM_FOR_TEXT * longest)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        _label(axes, rows)
        return embedded(figure, what)


def ranges_svg(rows: Sequence[Row], what: str, unit: str, colours: Mapping[str, str]) -> str:
    """Draw where values lie: a line from ``least`` to ``worst``, and a mark at each of the others.

    Args:
        rows: The combinations, at least one; values by name, all above 0.
        what: What is shown, for those who cannot see it.
        unit: The unit of the axis.
        colours: The colour of each value that has a mark, by its name; the first has a dot.
    """
    low, high = min(row.values["least"] for row in rows), max(row.values["worst"] for row in rows)
    logarithmic = high / low > _LOG_FROM
    with figure_of_page(_WIDTH, _ROW * len(rows) + _AXIS) as (figure, axes):
        for place, row in enumerate(rows):
            ends = [row.values[name] for name in _BETWEEN]
            axes.plot(ends, [place, place], color=COLOURS["soft"], linewidth=1.5, marker="|", markersize=8)
            for number, (name, colour) in enumerate(colours.items()):
                look = {"marker": "|", "markersize": 12, "markeredgewidth": 3} if number else {"marker": "o"}
                axes.plot(row.values[name], place, color=COLOURS[colour], **look)
            _write(axes, place, ends[1], row)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(0.9 * low, high * (high / low) ** (_ROOM_FOR_TEXT - 1.0))
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            axes.set_xlim(0.0, _ROOM_FOR_TEXT * high)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{unit}{', logarithmic' if logarithmic else ''}")
        _label(axes, rows)
        return embedded(figure, what)


def _write(axes: Axes, place: int, ends: float, row: Row) -> None:
    """Write the text of a row behind its values."""
    axes.annotate(row.text, (ends, place), (7.0, 0.0), textcoords="offset points", va="center")


def _label(axes: Axes, rows: Sequence[Row]) -> None:
    """Name the rows, from the top down."""
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0.0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_color(COLOURS["bad" if row.marked else "ink"])
