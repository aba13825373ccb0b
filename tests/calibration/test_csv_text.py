"""Tables are no programs for a spreadsheet, and give back what was put into them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd_edge.calibration.csv_text import csv_bytes, csv_text, read_csv


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("-0.25", "-0.25"),
        (-0.25, "-0.25"),
        ("-1e-05", "-1e-05"),
        ("pump-3", "pump-3"),
        ("'tis", "'tis"),
        ('a,"b"', '"a,""b"""'),
        (None, '""'),
    ],
)
def test_a_formula_is_text(cell: object, written: str) -> None:
    assert csv_text([[cell]]) == written + "\n"


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"])), min_size=1), min_size=1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_bytes(csv_bytes(rows))
    assert read_csv(path) == rows


def test_what_is_no_table_is_one_kind_of_error(tmp_path: Path) -> None:
    for content in (b"caf\xe9,1\n", b'"' + b"a" * 200_000 + b'"\n'):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(ValueError, match=r"decode|field"):
            read_csv(tmp_path / "a.csv")
