"""What the store keeps: windows, alarms and shadow days."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

from asd_edge.calibration.alarm_rate import DAY_S
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.wording import counted


@dataclass(frozen=True, eq=False)
class HeardWindow:
    """A window that was scored."""

    recording: Recording
    """the recording that it was cut from"""
    start_s: float
    """its start there in seconds"""
    heard_at: float
    """when it began, in seconds since 1970 in UTC; of recorded sound, when it was listened to"""
    score: float
    threshold: float
    """the threshold that the score was compared with"""
    level_dbfs: float
    output: ModelOutput | None
    """what the model gave for it; none where that was not kept"""
    levels_db: FloatArray | None = None
    """the levels of its bands; none where they were not kept"""

    @property
    def place(self) -> tuple[str, float]:
        """Where it was heard: no two windows of a bank have the same."""
        return self.recording.id, self.start_s


@dataclass(frozen=True)
class KeptAlarm:
    """An alarm, or one that would have gone on in shadow days."""

    number: int
    """its number, by which it is answered"""
    shadow: bool
    """whether it was heard in shadow days, and nobody was alarmed"""
    source: str
    """the file or the device"""
    start_s: float
    """where the first of its windows begins in its recording, in seconds"""
    live: bool
    """whether it was heard as it happened, so that its time of day says more than its place in a file"""
    began: float
    """when it began, in seconds since 1970 in UTC; of recorded sound, when it was listened to"""
    ended: float | None
    """when it ended, likewise; none while it is on"""
    duration_s: float
    """how long it lasted, in seconds"""
    windows: int
    """how many windows were heard from the first that counted to its end"""
    highest: float
    """the highest score"""
    threshold: float
    """the threshold that this score was compared with"""
    answer: str = ""
    """what a person said, ``normal`` or ``fault``; empty where nobody did"""
    note: str = ""
    """what the person noted"""
    answered: float | None = None
    """when the person said it, in seconds since 1970 in UTC"""

    @property
    def how_strange(self) -> float:
        """The highest score as a share of the threshold; 0 where that is 0."""
        return self.highest / self.threshold if self.threshold > 0.0 else 0.0


@dataclass(frozen=True)
class ShadowDays:
    """A time in which a machine is listened to without alarms, to learn from it."""

    number: int
    wanted_s: float
    """how long shall be heard, in seconds"""
    heard_s: float
    """how long was heard so far, in seconds"""
    began: float
    """when it began, in seconds since 1970 in UTC"""
    latest: float
    """when it was last heard, likewise"""
    windows: int
    """how many windows were heard"""
    alarms: tuple[KeptAlarm, ...] = field(default_factory=tuple)
    """the alarms that would have gone on, the earliest first"""
    answer: str = ""
    """``normal`` where a person said that all of it, but for what was a fault, was normal sound; else empty"""

    @property
    def complete(self) -> bool:
        """Whether as much was heard as was wished for."""
        return self.heard_s >= self.wanted_s - 1e-6

    @property
    def alarms_per_day(self) -> float:
        """How often the alarm would have gone on in a day."""
        return len(self.alarms) / (self.heard_s / DAY_S) if self.heard_s else 0.0


def time_in_words(seconds: float) -> str:
    """A length of time for people: ``2.5 days``, ``12 hours``, ``90 minutes``, ``40 s``."""
    for unit_s, unit, from_s in ((DAY_S, "day", 1.5 * DAY_S), (3600.0, "hour", 7200.0), (60.0, "minute", 120.0)):
        if seconds >= from_s:
            return counted(float(f"{seconds / unit_s:.2g}"), unit)
    return f"{seconds:.0f} s"


def iso(seconds: float) -> str:
    """A time in seconds since 1970 as ISO 8601 writes it in UTC, to the second."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
