"""A bar with the time left, for work of minutes to days."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from asd_edge.calibration.console import Console


def progress_bar(hidden: bool = False) -> Progress:
    """Make a bar on standard error. Where that is no terminal, it is one line when the work is done.

    Args:
        hidden: Whether nothing is shown, as in all but the first of several processes.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=hidden,
    )
