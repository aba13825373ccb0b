"""Text from outside is shown, and never obeyed."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted, visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pump 3, Halle Süd, 泵, насос", "pump 3, Halle Süd, 泵, насос"),
        ("AA:AB:CD [red]", "AA:AB:CD [red]"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\nasd-edge: all is well\r\tb", "a\\nasd-edge: all is well\\r\\tb"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("zero\u200bwidth\ufeff\u2028", "zero\\u200bwidth\\ufeff\\u2028"),
        ("caf\udce9.wav", "caf\\xe9.wav"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("نمی\u200cخواهم 👩\u200d🏭 10\u00a0s", "نمی\u200cخواهم 👩\u200d🏭 10\u00a0s"),
    ],
)
def test_what_would_act_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown
    shown.encode()


def test_no_character_is_left_that_acts() -> None:
    left = {unicodedata.category(each) for code in range(sys.maxunicode + 1) for each in visible(chr(code))}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    formats = [code for code in range(sys.maxunicode + 1) if unicodedata.category(visible(chr(code))[0]) == "Cf"]
    assert formats == [0x200C, 0x200D]


def test_lines_stay_where_they_are_wanted() -> None:
    assert visible_lines("one\ntwo\x1b\n") == "one\ntwo\\x1b\n"


def test_an_error_shows_its_values_and_keeps_them_exact() -> None:
    error = InputError("No such file.", got="a\n  next:  rm -rf /\x1b[2A.wav", valid="b", next_step="c")
    assert str(error).splitlines() == [
        "No such file.",
        "  got:   a\\n  next:  rm -rf /\\x1b[2A.wav",
        "  valid: b",
        "  next:  c",
    ]
    assert error.got == "a\n  next:  rm -rf /\x1b[2A.wav"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (counted(0, "alarm"), "0 alarms"),
        (counted(1, "alarm"), "1 alarm"),
        (counted(2, "alarm"), "2 alarms"),
        (counted(1.0, "minute"), "1 minute"),
        (counted(2.5, "minute"), "2.5 minutes"),
        (counted(2, "match", "matches"), "2 matches"),
    ],
)
def test_a_number_and_its_noun_agree(words: str, expected: str) -> None:
    assert words == expected
