"""Lines and a live view for people, in a terminal or in a file."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.pipeline.keeping import shadow_words
from asd_edge.runtime.pipeline.machine import Machine, Score
from asd_edge.runtime.pipeline.threshold_text import explain_threshold
from asd_edge.runtime.request import Request
from asd_edge.runtime.sinks.sink import Sink, Summary, clock, heard_now
from asd_edge.runtime.sources.source import Event

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

RECENT = 60
"""The number of scores in the line of the live view: ten minutes at the default hop."""
_BARS = "▁▂▃▄▅▆▇█"
_AT_THRESHOLD = 4
"""The place of the bar at the threshold, always the same, so that one sees without colours what lies above it."""
_EXCESSES = (0.25, 1.0)
"""How far above the threshold the next higher bar begins, as a share of the way from the lowest score up to it."""
_FEWEST_BARS = 10
_NARROW = 64
"""In fewer columns, lines leave out what is not needed to follow the score, so that they stay one line."""
_CHANGES = ("moved", "drift", "new_state", "fault_begins", "as_before")
_NO_TROUBLE = ("would_alarm", "alarm_on", "alarm_off", "skipped", "bandwidth", *_CHANGES)
"""Events after which windows go on to be scored as before; others show in the live view until one is."""


class Terminal(Sink):
    """A line a window, and below them, in a terminal, the recent scores of each machine as a line.

    Where there are several machines, lines begin with the name of theirs. Live sound has the time of day, files have
    the position.

    Args:
        heading: The lines to show first; when left out, each machine is introduced with its threshold.
        line_every_s: Only windows that begin at a multiple of it, in seconds, have a line; the view and the summary
            hold all.
    """

    name = "terminal"

    def __init__(self, heading: str = "", line_every_s: float | None = None) -> None:
        from asd_edge.calibration.console import Console

        self._heading = heading
        self._line_every_s = line_every_s
        self._now: set[str] = set()
        self._rows: dict[str, _Row] = {}
        self._source = ""
        self._console = Console()
        self._view: Live | None = None

    @classmethod
    def open(cls, _: Request) -> Terminal:
        """Open ``terminal``."""
        return cls()

    def begin(self, machines: Sequence[Machine]) -> None:
        """Print the heading, and begin the view."""
        from rich.live import Live

        self._rows = {machine.name: _Row() for machine in machines}
        self._now = {machine.name for machine in machines if heard_now(machine)}
        if heading := self._heading or "\n\n".join(map(_introduction, machines)):
            self._console.say(heading + "\n")
        if self._console.is_terminal:
            self._view = Live(console=self._console, auto_refresh=False, transient=True)
            self._view.start()

    def show(self, item: Score | Event) -> None:
        """Print one line and renew the view."""
        from rich.text import Text

        self._rows.setdefault(item.machine, _Row()).add(item)
        label = self._label(item.machine)
        if item.source != self._source and not label:
            self._source = item.source
            self._console.say(visible(item.source), style="dim")
        now = item.machine in self._now
        when = datetime.now().astimezone().strftime("%H:%M:%S") if now else clock(item.start_s)
        if isinstance(item, Event):
            self._console.say(Text(f"{when}  {label}").append_text(_event_line(item)))
        elif self._line_every_s is None or item.start_s % self._line_every_s == 0.0:
            self._console.say(Text(f"{when}  {label}").append_text(_score_line(item, self._console.width < _NARROW)))
        if self._view is not None and any(row.recent for row in self._rows.values()):
            self._view.update(self._status(), refresh=True)

    def end(self, summaries: Mapping[str, Summary]) -> None:
        """Leave the lines and print the summaries."""
        if self._view is not None:
            self._view.stop()
        for name, summary in summaries.items():
            heading = f"{visible(name)}: " if self._label(name) else ""
            self._console.say(f"\n{heading}{summary.words()}")

    def _label(self, machine: str) -> str:
        """The name of a machine at the beginning of its lines, all of one width; empty where there is but one."""
        from rich.cells import cell_len, set_cell_size

        width = max(cell_len(visible(name)) for name in self._rows)
        return set_cell_size(visible(machine), width + 2) if len(self._rows) > 1 else ""

    def _status(self) -> Text:
        """The live view: a line for each machine."""
        from rich.text import Text

        rows = (row.line(self._label(name) or "recent  ", self._console.width) for name, row in self._rows.items())
        return Text("\n").append_text(Text("\n").join(rows))


class _Row:
    """The line of one machine in the live view."""

    def __init__(self) -> None:
        self.recent: deque[Score] = deque(maxlen=RECENT)
        self._trouble = ""
        self._change = ""

    def add(self, item: Score | Event) -> None:
        if isinstance(item, Score):
            self.recent.append(item)
            self._trouble = ""
        elif item.event not in _NO_TROUBLE:
            self._trouble = _words(item.event)
        elif item.event in _CHANGES:
            self._change = "" if item.event == "as_before" else _words(item.event)
        elif item.event == "reloaded":
            self._change = ""

    def line(self, label: str, width: int) -> Text:
        """The line: recent scores as bars, as many as there is room for."""
        from rich.cells import cell_len
        from rich.text import Text

        end = Text()
        if self.recent:
            last = self.recent[-1]
            share = f"{100 * last.score / last.threshold:.0f} % of" if last.threshold > 0.0 else f"{last.score:.3g} to"
            end.append(f"  {share}{' the' if width >= _NARROW else ''} threshold")
            end.append("  ALARM" if last.alarm else "", "bold white on red")
        else:
            end.append("no window yet", "dim")
        for words in (self._change, self._trouble):
            end.append(f"  {words}" if words else "", "yellow")
        room = max(_FEWEST_BARS, width - cell_len(label) - len(end))
        return Text(label).append_text(_bars(list(self.recent)[-room:])).append_text(end)


def _introduction(machine: Machine) -> str:
    model = machine.model
    where = model.placement if len(model.nodes) > 1 else model.provider
    return "\n".join(
        [
            f"{visible(machine.name)}: {visible(machine.source.name)}, {visible(model.description)} on {where}",
            *explain_threshold(machine).words,
            *shadow_words(machine),
        ]
    )


def _score_line(score: Score, narrow: bool) -> Text:
    from rich.text import Text

    style = "red" if score.decision == "anomaly" else "green"
    level = "" if narrow else f"{score.level_dbfs:6.1f} dB  score "
    line = Text(f"{level}{score.score:8.3f} / {score.threshold:.3f}  ")
    line.append(score.decision, style)
    if score.repeated:
        line.append("  (short, repeated to fill the window)", "dim")
    if score.alarm:
        line.append("  alarm on", "bold red")
    return line


def _event_line(event: Event) -> Text:
    from rich.text import Text

    style = {"alarm_on": "bold white on red", "alarm_off": "bold green"}.get(event.event, "yellow")
    extent = (
        f" ({counted(event.count, 'window')})"
        if event.count
        else f" ({event.duration_s:.1f} s)"
        if event.duration_s
        else ""
    )
    return Text.assemble((_words(event.event), style), f"  {visible(event.reason)}{extent}")


def _words(event: str) -> str:
    return event.upper().replace("_", " ")


def _bars(scores: Sequence[Score]) -> Text:
    """Scores as bars. Up to the threshold they grow evenly from the lowest; those above it are the three highest."""
    from rich.text import Text

    line = Text()
    low = min((score.score for score in scores), default=0.0)
    for score in scores:
        line.append(_bar(score, low), "red" if score.decision == "anomaly" else "green")
    return line


def _bar(score: Score, low: float) -> str:
    span = score.threshold - low
    height = (score.score - low) / span if span > 0.0 else float(score.score > score.threshold) * 2.0
    if score.score <= score.threshold:
        return _BARS[round(min(1.0, max(0.0, height)) * _AT_THRESHOLD)]
    return _BARS[_AT_THRESHOLD + 1 + sum(height > 1.0 + excess for excess in _EXCESSES)]
