"""Attributes of clips, from names and tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd_edge.calibration.dcase.attributes import attributes_in_name, read_attribute_table
from asd_edge.calibration.errors import InputError


def test_a_name_spells_parameters_and_values_in_turn() -> None:
    assert attributes_in_name("car_A2_spd_28V_mic_1") == (("car", "A2"), ("spd", "28V"), ("mic", "1"))
    assert attributes_in_name("noAttribute") == attributes_in_name("") == ()


def test_a_name_that_does_not_fall_into_pairs_is_one_attribute() -> None:
    assert attributes_in_name("strength_1_ambient") == (("attributes", "strength_1_ambient"),)


def test_the_forms_that_the_years_have(tmp_path: Path) -> None:
    """Names with and without folder and ending, no columns at all, empty cells, and a byte order mark."""
    table = tmp_path / "attributes_00.csv"
    table.write_text("\ufefffile_name,d1p,d1v,d2p,d2v\nfan/train/a.wav,vel,6,loc,A\nb,vel,7,,\nc,noAttribute,,,\n\n")
    assert read_attribute_table(table).rows == {"a": (("vel", "6"), ("loc", "A")), "b": (("vel", "7"),), "c": ()}
    table.write_text("file_name\na.wav\n")
    assert read_attribute_table(table).rows == {"a": ()}


@pytest.mark.parametrize(
    ("text", "what", "got"),
    [
        ("", "other columns", "nothing"),
        ("name,d1p,d1v\n", "other columns", "name,d1p,d1v"),
        ("file_name,d1p\n", "other columns", "file_name,d1p"),
        ("file_name,d1v,d1p\n", "other columns", "file_name,d1v,d1p"),
        ("file_name,d1p,d1v\na,vel\n", "more or fewer cells", "row 2: a,vel"),
        ("file_name,d1p,d1v\na,vel,6\nt/a.wav,vel,6\n", "the same file", "row 3: t/a.wav,vel,6"),
        ("file_name,d1p,d1v\na,vel,\n", "parameter without a value", "row 2: a,vel,"),
        ("file_name,d1p,d1v\na,,6\n", "parameter without a value", "row 2: a,,6"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, what: str, got: str) -> None:
    table = tmp_path / "attributes_00.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        read_attribute_table(table)
    assert caught.value.got == f"{table}: {got}"


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "attributes_00.csv"
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_attribute_table(table)
