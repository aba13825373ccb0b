"""Figures of measurements as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG that is the same for the same figures, with text that stays text.

    Args:
        figure: It; its axes get a grid, and a legend where there is something to name.
        path: The file, in a folder that is made if it is not there.
    """
    from matplotlib import rc_context

    for axes in figure.axes:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "asd-edge", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
