"""How studies print: tables that can be pasted into a README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, each row as soon as it is known.

    Args:
        heads: The names of the columns. The first column stands left, the others right.
        rows: The cells of each row.
    """
    print(f"\n| {' | '.join(heads)} |\n|---|{'--:|' * (len(heads) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
