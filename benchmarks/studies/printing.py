"""How studies print: tables that can be pasted into a README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asd_edge.calibration.console import Console
from asd_edge.calibration.wording import visible


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, each row as soon as it is known.

    Args:
        heads: The names of the columns. The first column stands left, the others right.
        rows: The cells of each row.
    """
    console = Console()
    console.print(f"\n{_row(heads)}\n|---|{'--:|' * (len(heads) - 1)}", soft_wrap=True)
    for row in rows:
        console.print(_row(row), soft_wrap=True)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(visible, cells))} |"
