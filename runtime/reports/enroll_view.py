"""What `enroll` shows while it listens: progress, time left and a level meter."""

from __future__ import annotations

import contextlib
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd_edge.calibration.audio.level import SILENCE_DBFS
from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.ending import give_up_output
from asd_edge.runtime.enrolment.looking_over import LookedOver
from asd_edge.runtime.enrolment.report import EnrollReport, Progress
from asd_edge.runtime.reports.enrolment_text import COLUMN, explain_enrolment
from asd_edge.runtime.reports.looked_over_text import asking, found_words, outcome
from asd_edge.runtime.sinks.sink import clock
from asd_edge.runtime.sources.source import Source

if TYPE_CHECKING:
    from rich.live import Live

_METER_BARS = 24
_METER_FLOOR_DB = -72.0
_REFRESH_S = 0.1
_NOTICE_S = 0.2
"""How soon Ctrl-C is noticed at a question, at the latest."""


class EnrollView:
    """A line of progress that is renewed in a terminal; elsewhere, a line a minute.

    Nothing is shown before the enrolment tells its first progress, so that no refusal comes after a promise.
    """

    def __init__(self) -> None:
        from asd_edge.calibration.console import Console

        self._console = Console()
        self._heading = ""
        self._meter = _meter_of(self._console.encoding)
        self._live: Live | None = None
        self._shown_at: float | None = None
        self._asked: set[str] = set()

    @contextlib.contextmanager
    def of(self, source: Source) -> Iterator[None]:
        """Show the progress of hearing a source while this lasts; the view says what it is."""
        doing = f"Listening to {visible(source.name)}. The machine should run normally now."
        self._heading = (
            f"{doing if source.live else f'Reading {visible(source.name)}.'} Ctrl-C ends early and keeps all."
        )
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError, ValueError):  # the terminal may be gone
                live.stop()

    def show(self, progress: Progress) -> None:
        """Renew the view. It can be called with every block of sound: what comes too soon after is not drawn."""
        if self._shown_at is None:
            self._begin()
        if progress.latest is not None:
            event = progress.latest
            of = f" {visible(event.source)}" if event.event == "failed" else ""
            told = f"{clock(event.start_s)}  {event.event.replace('_', ' ')}{of}: {visible(event.reason)}"
            self._console.say(told)
        if progress.found is not None:
            self.tell(progress.found)
        now = time.monotonic()
        if now - (self._shown_at or now) < (_REFRESH_S if self._live is not None else 60.0):
            return
        self._shown_at = now
        if self._live is not None:
            self._live.update(_progress_line(progress, self._meter), refresh=True)
        else:
            self._console.say(f"{clock(progress.heard_s)} heard, {counted(progress.windows, 'window')}")

    def tell(self, found: LookedOver) -> None:
        """Print which windows were strange or copies, unless a person was asked and has seen it, and what was done."""
        if found.answered:
            return
        self._leave()
        words = "" if found.kind in self._asked else found_words(found)
        self._console.say(f"{words}\n{outcome(found)}", indent=4)

    def _begin(self) -> None:
        from rich.live import Live

        self._shown_at = time.monotonic()
        self._console.say(self._heading)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def ask(self, question: str) -> bool:
        """Ask a question at the terminal, to be answered with yes or no.

        Returns:
            Whether the answer was yes. Where there is no terminal it is no.
        """
        return _somebody_is_there() and (self._answer(visible(question), "Learn them?") or False)

    def choose(self, found: LookedOver) -> bool | None:
        """Ask at the terminal whether windows that were found are dropped.

        Returns:
            Whether they are kept; none where there is no terminal, or it went away.
        """
        if not _somebody_is_there():
            return None
        self._asked.add(found.kind)
        drop = self._answer(asking(found), "Drop it?" if found.windows == 1 else "Drop them?")
        return None if drop is None else not drop

    def _answer(self, text: str, question: str) -> bool | None:
        """Whether the answer to a question was yes; none where nobody can answer."""
        self._leave()
        try:
            self._console.say(text, indent=4)
            sys.stdout.write(f"{question} [y/N] ")
            sys.stdout.flush()
            return _typed_line().strip().lower() in ("y", "yes")
        except (OSError, EOFError, ValueError, AttributeError):  # the terminal is gone, or was closed from the start
            return None

    def end(self, report: EnrollReport) -> bool:
        """Print what was learned, after the progress.

        Returns:
            Whether it could be written. Where it could not, as into a closed pipe or on a full disk, standard output
            is given up, so that Python does not fail over it again at its end.
        """
        try:
            for line in explain_enrolment(report).split("\n"):
                self._console.say(line, indent=0 if line.startswith(" " * COLUMN) else COLUMN - 2)
        except Exception:  # noqa: BLE001  whatever a terminal can do, the bank is written
            give_up_output(sys.stdout)
            return False
        return True

    def undone(self, words: str, path: Path) -> None:  # noqa: ARG002  objects tell the path apart
        """Print that what was learned last was taken back."""
        self._console.say(words)


def _somebody_is_there() -> bool:
    """Whether a question can be asked at a terminal, and answered there."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (ValueError, AttributeError):  # they were closed from the start
        return False


def _typed_line() -> str:
    """The next line that is typed.

    Ctrl-C that comes just before Python's `input` begins to wait is noticed by it only with the next key; here, soon.

    Raises:
        EOFError: The terminal has ended.
    """
    while not select.select([sys.stdin], [], [], _NOTICE_S)[0]:
        pass
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line


def _meter_of(encoding: str) -> str:
    """The signs of a full and an empty step of the meter, as far as the terminal can show them."""
    try:
        "█░".encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return "#-"
    return "█░"


def _progress_line(progress: Progress, meter: str) -> Any:
    from rich.text import Text

    share = min(1.0, max(0.0, 1.0 - progress.level_dbfs / _METER_FLOOR_DB))
    filled = round(share * _METER_BARS)
    style = "red" if progress.level_dbfs > -6.0 else "green"
    total = "" if progress.total_s == float("inf") else f" of {clock(progress.total_s)}"
    line = Text(f"{clock(progress.heard_s)}{total}  {counted(progress.windows, 'window')}")
    line.append(f", {progress.refused} refused" if progress.refused else "", "yellow")
    line.append("  ")
    line.append(meter[0] * filled, style)
    line.append(meter[1] * (_METER_BARS - filled), "dim")
    level = "silence" if progress.level_dbfs <= SILENCE_DBFS else f"{progress.level_dbfs:.0f} dB"
    line.append(f" {level}")
    return line
