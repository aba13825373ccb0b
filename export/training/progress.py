"""A bar with the time left, for work of minutes to days."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def progress_bar(hidden: bool = False) -> Progress:
    """A bar on standard error; where that is no terminal, one line when the work is done.

    Args:
        hidden: Show nothing, as all but the first of several processes do.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=hidden,
    )
