"""Where scores and events go: JSON lines for machines, lines and a live view for people."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from asd_edge.runtime.explain import ThresholdExplained
from asd_edge.runtime.listening import Score
from asd_edge.runtime.sound import Event

if TYPE_CHECKING:
    from rich.text import Text

RECENT = 60
"""Scores in the line of the live view: ten minutes at the default hop."""
_BARS = "▁▂▃▄▅▆▇█"


class Sink(Protocol):
    """Something that shows or keeps what was heard."""

    def show(self, item: Score | Event) -> None:
        """Take the next score or event."""

    def end(self, late_callbacks: int = 0) -> None:
        """Close with a summary, and how often the microphone's sound came late."""


class Summary:
    """Counts what went by."""

    def __init__(self) -> None:
        self.scored = self.anomalous = self.alarms = self.late_callbacks = 0
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
            "late_callbacks": self.late_callbacks,
        }

    def words(self) -> str:
        """The counts for people."""
        text = f"{self.scored} windows scored, {self.anomalous} above the threshold, {self.alarms} alarms"
        others = self.values()["events"] | ({"late_callbacks": self.late_callbacks} if self.late_callbacks else {})
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
        explained: The threshold, told in a first object ``{"event": "listening", ...}``.
        live: Whether to add the time of day.
    """

    def __init__(self, explained: ThresholdExplained | None = None, live: bool = False) -> None:
        self._live = live
        self._summary = Summary()
        self._listening = explained is not None
        if explained is not None:
            self._write({"event": "listening", **explained.values})

    def show(self, item: Score | Event) -> None:
        """Write one object."""
        self._summary.add(item)
        values = {key: value for key, value in asdict(item).items() if value is not None}
        if self._live:
            values["time"] = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._write(values)

    def end(self, late_callbacks: int = 0) -> None:
        """Close with an object ``{"event": "summary", ...}`` where listening is what ends."""
        if self._listening:
            self._summary.late_callbacks = late_callbacks
            self._write({"event": "summary", "reason": self._summary.words(), **self._summary.values()})

    @staticmethod
    def _write(values: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()


class Terminal:
    """A line a window, and below them, in a terminal, the recent scores as a line.

    Args:
        heading: Lines to show first.
        live: Whether to show the time of day instead of the position in the file.
        line_every_s: Print only windows that begin at a multiple of it; the view and the summary hold all.
    """

    def __init__(self, heading: str, live: bool = False, line_every_s: float | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live_source = live
        self._line_every_s = line_every_s
        self._summary = Summary()
        self._recent: deque[Score] = deque(maxlen=RECENT)
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
        self._summary.add(item)
        if item.source != self._source:
            self._source = item.source
            self._console.print(item.source, style="dim", soft_wrap=True, markup=False)
        when = datetime.now().astimezone().strftime("%H:%M:%S") if self._live_source else clock(item.start_s)
        if isinstance(item, Event):
            style = {"alarm_on": "bold white on red", "alarm_off": "bold green"}.get(item.event, "yellow")
            extent = (
                f" ({item.count} windows)" if item.count else f" ({item.duration_s:.1f} s)" if item.duration_s else ""
            )
            label = item.event.upper().replace("_", " ")
            self._console.print(f"{when}  [{style}]{label}[/{style}]  {item.reason}{extent}")
        else:
            self._recent.append(item)
            if self._line_every_s is None or item.start_s % self._line_every_s == 0.0:
                self._console.print(f"{when}  ", _score_line(item), sep="")
        if self._view is not None and self._recent:
            self._view.update(_spark_line(list(self._recent)), refresh=True)

    def end(self, late_callbacks: int = 0) -> None:
        """Leave the lines and print the summary."""
        self._summary.late_callbacks = late_callbacks
        if self._view is not None:
            self._view.stop()
        self._console.print("\n" + self._summary.words(), soft_wrap=True, markup=False)


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


def _spark_line(recent: list[Score]) -> Text:
    """The recent scores as bars; a full bar is the threshold or the highest score."""
    from rich.text import Text

    top = max(*(score.score for score in recent), recent[-1].threshold)
    low = min(score.score for score in recent) * 0.9
    line = Text("\nrecent  ")
    for score in recent:
        height = (score.score - low) / (top - low) if top > low else 0.0
        line.append(_BARS[round(height * (len(_BARS) - 1))], "red" if score.decision == "anomaly" else "green")
    last = recent[-1]
    line.append(f"  {100 * last.score / last.threshold:.0f} % of the threshold")
    line.append("  ALARM" if last.alarm else "", "bold white on red")
    return line
