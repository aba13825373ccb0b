"""The console shows what it gets, and obeys none of it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest
from rich.table import Table
from rich.text import Text

from asd_edge.calibration.console import Console, say

NASTY = "AA:AB:CD :ok: [bold]x[/bold] [/] \x1b[2J\u202e 12.5 'a'"
SHOWN = "AA:AB:CD :ok: [bold]x[/bold] [/] \\x1b[2J\\u202e 12.5 'a'"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(Screen()) as made:
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        yield made


def test_nothing_is_obeyed_wherever_it_stands() -> None:
    table = Table(NASTY, title=NASTY, box=None)
    table.add_row(NASTY)
    table.add_row(Text(NASTY))
    with screen() as seen:
        console = Console(width=200)
        console.say(NASTY)
        console.say(Text(NASTY))
        console.print(NASTY)
        console.print(Text(NASTY))
        console.print(table)
    shown = seen.getvalue()
    assert shown.count(SHOWN) == 8
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown


def test_styles_that_are_meant_reach_a_terminal() -> None:
    with screen() as seen:
        Console(width=80).say("loud", style="bold")
    assert seen.getvalue() == "\x1b[1mloud\x1b[0m\n"


def test_a_file_has_no_styles_and_lines_as_long_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 60 + "end"
    console = Console(width=40)
    console.say(long, style="bold")
    console.say(Text(long, "red"))
    say(long)
    assert capsys.readouterr().out == f"{long}\n" * 3


@pytest.mark.parametrize("width", [40, 80, 200])
def test_in_a_terminal_lines_end_between_words_and_paths_stay_whole(width: int) -> None:
    path = "/" + "a-folder/" * 30 + "pump.npz"
    with screen() as seen:
        Console(width=width).say(f"  found  The bank was read from this path: {path} and it is whole.", indent=7)
    lines = seen.getvalue().splitlines()
    assert " ".join(" ".join(lines).split()) == f"found The bank was read from this path: {path} and it is whole."
    assert any(path in line for line in lines)
    assert all(len(line) <= width for line in lines if path not in line)
    assert all(line.startswith(" " * 9) for line in lines[1:])


def test_a_reader_that_has_left_is_told_to_the_caller() -> None:
    class Left(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with contextlib.redirect_stdout(Left()), pytest.raises(BrokenPipeError):
        Console().say("too late")
