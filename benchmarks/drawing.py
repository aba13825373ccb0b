"""Everything that is drawn: figures as SVG, in a page that is light or dark, or in a file of its own.

matplotlib draws. It is part of the extra ``measure``, and a page without it is a page without charts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_CHARTS = "There are no charts, because matplotlib is not installed: pip install 'asd-edge[measure]'."
"""A page without charts says this in their place."""
COLOURS = {
    name: f"#fe{number:02x}fd"
    for number, name in enumerate(("ink", "soft", "line", "strip", "bad", "one", "two", "three", "four"))
}
"""The colours of a page, by the names that its style sheet gives them. Each stands for ``var(--name)`` until the figure
is put into a page, so that the page alone says what is light and what is dark."""
_CLASS = "class-"
"""How the name of a part of a figure begins that becomes its class in the page."""
_POINTS = 72.0
"""What a point is of an inch; a figure in a page is that many pixels wide, more or less."""


def can_draw() -> bool:
    """Whether figures can be drawn here."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure.

    Args:
        width: Its width in inches.
        height: Its height in inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG that is the same for the same numbers, with text that stays text.

    Args:
        figure: The figure; its axes get a grid, and a legend where there is something to name.
        path: The file, in a folder that is made if it is not there.
    """
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with _same_every_time():
        figure.savefig(path, format="svg", metadata={"Date": None})


@contextmanager
def figure_of_page(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Make a figure with one pair of axes, in the colours of a page, to be drawn within the ``with``.

    Args:
        width: Its width in pixels, at its usual size.
        height: Its height in pixels.
    """
    from matplotlib import rc_context

    with rc_context(
        {
            "axes.edgecolor": COLOURS["soft"],
            "axes.labelcolor": COLOURS["soft"],
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.size": 12.0,
            "grid.color": COLOURS["line"],
            "text.color": COLOURS["soft"],
            "xtick.color": COLOURS["soft"],
            "ytick.color": COLOURS["soft"],
        }
    ):
        figure = new_figure(width / _POINTS, height / _POINTS)
        axes = figure.subplots()
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        yield figure, axes


def name_class(css: str) -> str:
    """What to call a part of a figure, as its ``gid``, that shall have this class in the page."""
    return _CLASS + css


def embedded(figure: Figure, what: str) -> str:
    """Turn a figure into SVG to stand in a page.

    Args:
        figure: A figure of `figure_of_page`.
        what: What it shows, for those who cannot see it.
    """
    written = io.StringIO()
    with _same_every_time():
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(rf' id="{_CLASS}([\w -]+)"', r' class="\1"', svg)
    # The other names would stand several times in a page; those that something refers to are the same for the same.
    referred = set(re.findall(r"#([\w-]+)[\")]", svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in referred else "", svg)
    svg = re.sub(r"font(-family)?: (?=[^;\"]*')[^;\"]*", _without_family, svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(what)}">'
    return head + svg[svg.index(">") + 1 :].strip()


def _without_family(found: re.Match[str]) -> str:
    """The size of a font alone, as the page says which fonts there are."""
    size = re.search(r"[\d.]+px", found[0])
    return f"font-size: {size[0]}" if size else ""


@contextmanager
def _same_every_time() -> Iterator[None]:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "asd-edge", "svg.fonttype": "none"}):
        yield
