"""The attributes of clips, such as a machine's speed or load, read from the tables beside them or from their names."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asd_edge.calibration.csv_text import read_csv
from asd_edge.calibration.errors import InputError

Attributes = tuple[tuple[str, str], ...]
"""(parameter, value) pairs in the order in which they are told."""

_NONE = frozenset({"", "noAttribute"})
"""The words that stand for no attribute."""
_UNSORTED = "attributes"
"""The name of the parameter where the attributes in a file's name do not fall into pairs, as in ``strength_1_ambient``
(2021): its value is all of them."""


def attributes_in_name(spelled: str) -> Attributes:
    """Read attributes as a file name spells them, such as ``vel_6_loc_A``; there are none in ``noAttribute``."""
    if spelled in _NONE:
        return ()
    words = spelled.split("_")
    if len(words) % 2:
        return ((_UNSORTED, spelled),)
    return tuple(zip(words[::2], words[1::2], strict=True))


@dataclass(frozen=True)
class AttributeTable:
    """A file ``attributes_<section>.csv``: columns ``file_name, d1p, d1v, d2p, d2v, ...`` with a row for each clip."""

    path: Path
    """The path of the file."""
    rows: dict[str, Attributes]
    """The attributes by the clip's name without folder and ending, which some years leave away."""

    def require_files(self, stems: Container[str]) -> None:
        """Make sure that there is a file for every row.

        Args:
            stems: The names of the files that there are, without their endings.

        Raises:
            InputError: There is no file for a row.
        """
        lost = next((name for name in self.rows if name not in stems), None)
        if lost is not None:
            raise InputError(
                "The table of attributes has a row for a file that is not there.",
                got=f"{self.path}: {lost}",
                valid="rows for the clips in the machine's folders",
                next_step="put the file back, or take out the row or the table",
            )

    def of(self, name: str, spelled: str) -> Attributes:
        """The attributes of one clip.

        Args:
            name: The name of the file.
            spelled: The attributes that the name spells, to compare with; empty where it says nothing.

        Raises:
            InputError: The table has no row for this file, or says something else than its name.
        """
        attributes = self.rows.get(Path(name).stem)
        if attributes is None:
            raise InputError(
                "The table of attributes has no row for a file that is there.",
                got=f"{self.path}: nothing on {name}",
                valid="a row for every clip, or no table at all",
                next_step="add the row, or move the file or the table away",
            )
        told = "_".join(word for pair in attributes for word in pair)
        if spelled and _letters(told) != ("" if spelled in _NONE else _letters(spelled)):
            raise InputError(
                "The table of attributes and a file's name do not say the same.",
                got=f"{self.path}: {told or 'no attributes'} for {name}",
                valid=f"{spelled}, as in the name",
                next_step="correct the row, or move the table away to go by the names",
            )
        return attributes


def read_attribute_table(path: Path) -> AttributeTable:
    """Read a table of attributes.

    Raises:
        InputError: The table cannot be read, or it has other columns, a row with more or fewer cells, a parameter
            without a value, or two rows for one file.
    """
    try:
        lines = read_csv(path)
    except (OSError, ValueError) as error:
        raise _refusal(path, f"The table of attributes cannot be read: {error}.", "a CSV file in UTF-8") from error
    columns = lines[0] if lines else []
    pairs = len(columns) // 2
    expected = ["file_name", *(f"d{number}{kind}" for number in range(1, pairs + 1) for kind in "pv")]
    if columns != expected:
        found = ",".join(columns) or "nothing"
        raise _refusal(path, "The table of attributes has other columns.", "file_name,d1p,d1v,d2p,d2v,...", found)
    rows: dict[str, Attributes] = {}
    for number, cells in enumerate(lines[1:], start=2):
        where = f"row {number}: {','.join(cells)}"
        if len(cells) != len(columns):
            raise _refusal(path, "A row has more or fewer cells than there are columns.", ",".join(columns), where)
        name = PurePosixPath(cells[0].replace("\\", "/")).name.removesuffix(".wav")
        if name in rows:
            raise _refusal(path, "Two rows are about the same file.", "one row for each clip", where)
        told = [("" if value in _NONE else value) for value in cells[1:]]
        found_pairs = [pair for pair in zip(told[::2], told[1::2], strict=True) if any(pair)]
        if not all(all(pair) for pair in found_pairs):
            raise _refusal(path, "A row has a parameter without a value, or a value without one.", "both", where)
        rows[name] = tuple(found_pairs)
    return AttributeTable(path, rows)


def _refusal(path: Path, what: str, valid: str, got: str = "") -> InputError:
    return InputError(
        what,
        got=f"{path}: {got}" if got else path,
        valid=valid,
        next_step="correct the table, or move it away to go by the files' names",
    )


def _letters(text: str) -> str:
    """What remains of a text when points and underscores count as the same: names spell ``7.5V`` as ``7_5V``."""
    return re.sub(r"[^0-9a-z]", "", text.lower())
