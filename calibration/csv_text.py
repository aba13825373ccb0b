"""Tables as CSV that a spreadsheet does not take for formulas.

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-`` or ``@``, and what it computes may start a program. A
machine or a file can be called like that. Such a cell is written with an apostrophe before it, as OWASP's page on CSV
injection recommends; reading takes it away again, so that both give the same text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
"""How a cell begins that a spreadsheet computes, or one that has apostrophes before that already."""
_MARK = "'"


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Lay out a table as CSV.

    Args:
        rows: The rows. Text is protected where a spreadsheet would take it for a formula. Numbers stay as they are,
            also where they are given as text, and None is an empty cell.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_protected(cell) for cell in row] for row in rows])
    return text.getvalue()


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Lay out a table as the content of a CSV file in UTF-8; names of files that are no text keep their bytes."""
    return csv_text(rows).encode("utf-8", "surrogateescape")


def read_csv(path: Path) -> list[list[str]]:
    """Read a table that may be protected as `csv_text` does it; rows without cells are left out.

    Args:
        path: The path of a file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not UTF-8, or no CSV.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            return [[_as_it_was(cell.strip()) for cell in row] for row in csv.reader(file) if row]
        except csv.Error as error:
            raise ValueError(str(error)) from error


def _protected(cell: object) -> object:
    return _MARK + cell if isinstance(cell, str) and _FORMULA.match(cell) and not _is_number(cell) else cell


def _as_it_was(cell: str) -> str:
    without = cell.removeprefix(_MARK)
    return without if without != cell and _FORMULA.match(without) and not _is_number(without) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
