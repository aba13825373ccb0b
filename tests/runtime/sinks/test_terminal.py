"""What people see in a terminal: names as they are, whole lines, and bars that show the threshold."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import pytest

from asd_edge.runtime import Event, Score, Terminal
from asd_edge.runtime.sinks.sink import Summary

NASTY = "=cmd\x1b[2J AA:AB:CD [bold]\u202e\nforged"
SHOWN = "=cmd\\x1b[2J AA:AB:CD [bold]\\u202e\\nforged"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def score(value: float, machine: str = "pump", threshold: float = 10.0, start_s: float = 0.0) -> Score:
    decision = "anomaly" if value > threshold else "normal"
    return Score(machine, f"{machine}.wav", start_s, value, threshold, decision, -20.0, False, False)


def shown(items: Sequence[Score | Event], columns: int, terminal: bool = True) -> str:
    out = Screen() if terminal else io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("NO_COLOR", "1")
        patch.setenv("TERM", "xterm")
        sink = Terminal(heading="heading")
        sink.begin([])
        summary = Summary()
        for item in items:
            sink.show(item)
            summary.add(item)
        sink.end({items[0].machine: summary})
    return out.getvalue()


def bars(values: Sequence[float], threshold: float = 10.0) -> str:
    text = shown([score(value, threshold=threshold) for value in values], 200)
    last = [line for line in text.splitlines() if "recent" in line][-1]
    return last.split()[1]


def test_a_name_is_shown_and_not_obeyed() -> None:
    text = shown([score(1.0, NASTY), Event("gap", NASTY, 1.0, f"lost {NASTY}", 0.5, machine=NASTY)], 200, False)
    assert f"{SHOWN}.wav" in text
    assert f"lost {SHOWN}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\nforged" not in text


def test_the_threshold_is_always_at_the_same_bar() -> None:
    """Bars up to ▅ are normal, and those above are not, however high the highest score is."""
    for highest in (10.1, 12.0, 30.0, 1e6):
        drawn = bars([2.0, 10.0, 10.01, highest])
        assert drawn[0] == "▁"
        assert drawn[1] == "▅"
        assert drawn[2] == "▆"
        assert drawn[3] in "▆▇█"
    assert bars([2.0, 6.0, 10.0]) == "▁▃▅"
    assert bars([11.0, 12.0])[0] in "▆▇█"


def test_scores_below_zero_have_bars_too() -> None:
    assert bars([-8.0, -4.0, -1.0], threshold=-4.0) == "▁▅▇"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_score_is_one_line_at_any_width(columns: int) -> None:
    lines = shown([score(21.193, start_s=10.0, threshold=20.0)], columns).splitlines()
    (line,) = (line for line in lines if "anomaly" in line)
    assert "21.193 / 20.000  anomaly" in line
    assert all(len(each) <= columns for each in lines if "\x1b" not in each)


def test_lines_in_a_file_are_as_long_as_they_are() -> None:
    event = Event("gap", "pump.wav", 1.0, "word " * 60 + "end", 0.5, machine="pump")
    (line,) = (line for line in shown([event], 40, terminal=False).splitlines() if "word" in line)
    assert line.count("word") == 60


def test_one_is_one() -> None:
    alarm = Event("alarm_on", "pump.wav", 1.0, "because", machine="pump")
    text = shown([score(11.0), alarm], 200)
    assert "1 window scored, 1 above the threshold, 1 alarm\n" in text
