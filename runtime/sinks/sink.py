'''What a sink is: something that shows, keeps or passes on the scores and events of machines.

Another sink is a subclass of `Sink` and one entry point of the group ``asd_edge.sinks``. This one writes alarms to the
system's log, and ``--sink syslog:asd`` opens it::

    import syslog

    from asd_edge.runtime import Event, Sink


    class Syslog(Sink):
        """Alarms in the system's log."""

        name = "syslog"

        def __init__(self, identity):
            syslog.openlog(identity or "asd-edge")

        def show(self, item):
            if isinstance(item, Event) and item.event == "alarm_on":
                syslog.syslog(syslog.LOG_ALERT, f"{item.machine}: {item.reason}")


    def open_syslog(request):
        return Syslog(request.address)

The line in the pyproject.toml of its package is ``syslog = "my_package.syslog:open_syslog"``.
'''

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.pipeline.machine import Machine, Score
from asd_edge.runtime.sources.source import Event


class Sink(ABC):
    """Something that shows, keeps or passes on what was heard.

    Its methods are called one after the other, in a thread of the sink's own, as `asd_edge.runtime.deliver` does: first
    `begin`, then `show` for every score and event, at last `end`. A sink may wait for a network or a disk: meanwhile
    sound is heard and scored, and what comes waits for the sink. One that raises an error is told to the user once and
    left out, and so is one that hangs for so long that too much waits for it; the others go on.

    Attributes:
        name: What the sink is called in messages. It holds no password.
    """

    how_to_get: ClassVar[str] = "for JSON lines, write JsonLines(), for lines to read Terminal()"

    name: str = "sink"

    def begin(self, machines: Sequence[Machine]) -> None:  # noqa: B027  a sink need not do anything
        """Take note of the machines that will be heard.

        Args:
            machines: The machines, with their sources, thresholds and settings. There are none where files are scored
                without alarms: then only the items say whose they are.
        """

    @abstractmethod
    def show(self, item: Score | Event) -> None:
        """Take the next score or event; `item.machine` is the name of its machine."""

    def end(self, summaries: Mapping[str, Summary]) -> None:  # noqa: B027  a sink need not do anything
        """Close whatever is open. It is called once, also after an error.

        Args:
            summaries: What went by of each machine, by its name.
        """


class Summary:
    """The counts of what went by of one machine.

    Attributes:
        scored: The number of windows that were scored.
        anomalous: The number of windows whose score lay above the threshold.
        alarms: How often the alarm went on.
        late_blocks: How often the sound of its source came late, whether or not any was lost.
        highest: The highest score; none before the first.
        events: How often each kind of event came; an event about several windows counts as many times.
    """

    def __init__(self) -> None:
        self.scored = self.anomalous = self.alarms = self.late_blocks = 0
        self.highest: Score | None = None
        self.events: Counter[str] = Counter()

    def add(self, item: Score | Event) -> None:
        """Count the next score or event."""
        if isinstance(item, Event):
            self.events[item.event] += item.count or 1
            self.alarms += item.event == "alarm_on"
            return
        self.scored += 1
        self.anomalous += item.decision == "anomaly"
        if self.highest is None or item.score > self.highest.score:
            self.highest = item

    def values(self) -> dict[str, Any]:
        """The counts for programs, as JSON has them."""
        others = {name: count for name, count in self.events.items() if not name.startswith("alarm")}
        return {
            "windows": self.scored,
            "anomalous": self.anomalous,
            "alarms": self.alarms,
            "events": others,
            "late_blocks": self.late_blocks,
        }

    def words(self) -> str:
        """The counts for people, in one line or two."""
        text = (
            f"{counted(self.scored, 'window')} scored, {self.anomalous} above the threshold, "
            f"{counted(self.alarms, 'alarm')}"
        )
        others = [f"{count} {name.replace('_', ' ')}" for name, count in self.values()["events"].items()]
        if self.late_blocks:
            others.append(counted(self.late_blocks, "late block"))
        if others:
            text += "; " + ", ".join(others)
        if self.highest is not None:
            where = f"{clock(self.highest.start_s)} of {visible(self.highest.source)}"
            text += f"\nhighest score {self.highest.score:.4g} at {where}"
        return text


def heard_now(machine: Machine) -> bool:
    """Whether a machine is heard as it runs, so that the time of day says more than the position in a file."""
    return machine.source.live and machine.source.duration_s == float("inf")


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: ``1:02:03``, or ``02:03`` within the first hour."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"
