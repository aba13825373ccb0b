"""Where scores and events go: JSON lines for machines, lines and a live view for people."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from asd_edge.runtime.pipeline.listening import Machine, Score
from asd_edge.runtime.reports.enrolment_text import explain_threshold
from asd_edge.runtime.sources.source import Event

if TYPE_CHECKING:
    from rich.text import Text

RECENT = 60
"""Scores in the line of the live view: ten minutes at the default hop."""
_BARS = "▁▂▃▄▅▆▇█"
_FEWEST_BARS = 10
_NO_TROUBLE = ("alarm_on", "alarm_off", "skipped")
"""Events after which windows go on to be scored as before; others show in the live view until one is."""


class Sink(Protocol):
    """Something that shows or keeps what was heard."""

    def show(self, item: Score | Event) -> None:
        """Take the next score or event."""

    def end(self, late_blocks: Mapping[str, int] | None = None) -> None:
        """Close with a summary of each machine, and how often the sound of its microphone came late."""


class Summary:
    """Counts what went by of one machine."""

    def __init__(self) -> None:
        self.scored = self.anomalous = self.alarms = self.late_blocks = 0
        self.highest: Score | None = None
        self.events: Counter[str] = Counter()

    def add(self, item: Score | Event) -> None:
        """Take the next score or event."""
        if isinstance(item, Event):
            self.events[item.event] += item.count or 1
            self.alarms += item.event == "alarm_on"
            return
        self.scored += 1
        self.anomalous += item.decision == "anomaly"
        if self.highest is None or item.score > self.highest.score:
            self.highest = item

    def values(self) -> dict[str, Any]:
        """The counts for machines."""
        others = {name: count for name, count in self.events.items() if not name.startswith("alarm")}
        return {
            "windows": self.scored,
            "anomalous": self.anomalous,
            "alarms": self.alarms,
            "events": others,
            "late_blocks": self.late_blocks,
        }

    def words(self) -> str:
        """The counts for people."""
        text = f"{self.scored} windows scored, {self.anomalous} above the threshold, {self.alarms} alarms"
        others = self.values()["events"] | ({"late_blocks": self.late_blocks} if self.late_blocks else {})
        if others:
            text += "; " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in others.items())
        if self.highest is not None:
            text += (
                f"\nhighest score {self.highest.score:.4g} at {clock(self.highest.start_s)} of {self.highest.source}"
            )
        return text


class JsonLines:
    """One JSON object a line on standard output.

    A score's object has the fields of `Score`, an event's those of `Event` that are set.

    Args:
        machines: Which are listened to, each told with its threshold in a first object ``{"event": "listening", ...}``.
        live: Whether to add the time of day.
    """

    def __init__(self, machines: Sequence[Machine] = (), live: bool = False) -> None:
        self._live = live
        self._summaries = {machine.name: Summary() for machine in machines}
        self._sources = {machine.name: machine.source.name for machine in machines}
        for machine in machines:
            self._tell("listening", machine.name, explain_threshold(machine).values)

    def show(self, item: Score | Event) -> None:
        """Write one object."""
        if item.machine in self._summaries:
            self._summaries[item.machine].add(item)
        values = {key: value for key, value in asdict(item).items() if value is not None}
        if self._live:
            values["time"] = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._write(values)

    def end(self, late_blocks: Mapping[str, int] | None = None) -> None:
        """Close with an object ``{"event": "summary", ...}`` for each machine that was listened to."""
        for name, summary in self._summaries.items():
            summary.late_blocks = (late_blocks or {}).get(name, 0)
            self._tell("summary", name, {"reason": summary.words(), **summary.values()})

    def _tell(self, event: str, machine: str, values: Mapping[str, Any]) -> None:
        self._write({"event": event, "machine": machine, "source": self._sources[machine], **values})

    @staticmethod
    def _write(values: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()


class Terminal:
    """A line a window, and below them, in a terminal, the recent scores of each machine as a line.

    Args:
        heading: Lines to show first.
        machines: Names of those that are heard. Where there are several, lines begin with theirs.
        live: Whether to show the time of day instead of the position in the file.
        line_every_s: Print only windows that begin at a multiple of it; the view and the summary hold all.
    """

    def __init__(
        self, heading: str, machines: Sequence[str], live: bool = False, line_every_s: float | None = None
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live_source = live
        self._line_every_s = line_every_s
        self._summaries = {name: Summary() for name in machines}
        self._rows = {name: _Row() for name in machines}
        width = max(map(len, machines)) + 2
        self._labels = {name: name.ljust(width) if len(machines) > 1 else "" for name in machines}
        self._source = ""
        self._console = Console(highlight=False)
        self._console.print(heading + "\n", soft_wrap=True, markup=False)
        self._view = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        )
        if self._view is not None:
            self._view.start()

    def show(self, item: Score | Event) -> None:
        """Print one line and renew the view."""
        self._summaries[item.machine].add(item)
        self._rows[item.machine].add(item)
        label = self._labels[item.machine]
        if item.source != self._source and not label:
            self._source = item.source
            self._console.print(item.source, style="dim", soft_wrap=True, markup=False)
        when = datetime.now().astimezone().strftime("%H:%M:%S") if self._live_source else clock(item.start_s)
        if isinstance(item, Event):
            self._console.print(f"{when}  {label}", _event_line(item), sep="", markup=False)
        elif self._line_every_s is None or item.start_s % self._line_every_s == 0.0:
            self._console.print(f"{when}  {label}", _score_line(item), sep="", markup=False)
        if self._view is not None and any(row.recent for row in self._rows.values()):
            self._view.update(self._status(), refresh=True)

    def end(self, late_blocks: Mapping[str, int] | None = None) -> None:
        """Leave the lines and print the summaries."""
        if self._view is not None:
            self._view.stop()
        for name, summary in self._summaries.items():
            summary.late_blocks = (late_blocks or {}).get(name, 0)
            heading = f"{name}: " if self._labels[name] else ""
            self._console.print(f"\n{heading}{summary.words()}", soft_wrap=True, markup=False)

    def _status(self) -> Text:
        """A line for each machine."""
        from rich.text import Text

        rows = (row.line(self._labels[name] or "recent  ", self._console.width) for name, row in self._rows.items())
        return Text("\n").append_text(Text("\n").join(rows))


class _Row:
    """The line of one machine in the live view."""

    def __init__(self) -> None:
        self.recent: deque[Score] = deque(maxlen=RECENT)
        self._trouble = ""

    def add(self, item: Score | Event) -> None:
        if isinstance(item, Score):
            self.recent.append(item)
            self._trouble = ""
        elif item.event not in _NO_TROUBLE:
            self._trouble = _words(item.event)

    def line(self, label: str, width: int) -> Text:
        """Recent scores as bars, as many as there is room for; a full bar is the threshold or the highest score."""
        from rich.text import Text

        end = Text()
        if self.recent:
            last = self.recent[-1]
            end.append(f"  {100 * last.score / last.threshold:.0f} % of the threshold")
            end.append("  ALARM" if last.alarm else "", "bold white on red")
        else:
            end.append("no window yet", "dim")
        end.append(f"  {self._trouble}" if self._trouble else "", "yellow")
        room = max(_FEWEST_BARS, width - len(label) - len(end))
        return Text(label).append_text(_bars(list(self.recent)[-room:])).append_text(end)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:03`` or ``02:03``."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"


def _score_line(score: Score) -> Text:
    from rich.text import Text

    style = "red" if score.decision == "anomaly" else "green"
    line = Text(f"{score.level_dbfs:6.1f} dB  score {score.score:8.3f} / {score.threshold:.3f}  ")
    line.append(score.decision, style)
    if score.repeated:
        line.append("  (short, repeated to fill the window)", "dim")
    if score.alarm:
        line.append("  alarm on", "bold red")
    return line


def _event_line(event: Event) -> Text:
    from rich.text import Text

    style = {"alarm_on": "bold white on red", "alarm_off": "bold green"}.get(event.event, "yellow")
    extent = f" ({event.count} windows)" if event.count else f" ({event.duration_s:.1f} s)" if event.duration_s else ""
    return Text.assemble((_words(event.event), style), f"  {event.reason}{extent}")


def _words(event: str) -> str:
    return event.upper().replace("_", " ")


def _bars(scores: Sequence[Score]) -> Text:
    from rich.text import Text

    line = Text()
    if not scores:
        return line
    top = max(*(score.score for score in scores), scores[-1].threshold)
    low = min(score.score for score in scores) * 0.9
    for score in scores:
        height = (score.score - low) / (top - low) if top > low else 0.0
        line.append(_BARS[round(height * (len(_BARS) - 1))], "red" if score.decision == "anomaly" else "green")
    return line
