"""What sources give: blocks of sound with their time, and events where something went wrong.

A source is anything with a `name`, a flag `live` and a method `sound`; a microphone, files and the simulated machine
are the ones here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording

EventKind = Literal["gap", "resumed", "overrun", "failed", "sensor_fault", "alarm_on", "alarm_off", "skipped"]
BREAKS: tuple[EventKind, ...] = ("gap", "resumed", "overrun")
"""Events after which sound does not continue what came before: no window spans one."""

SILENCE_DBFS = -120.0
"""Level shown for digital silence, below the noise of any converter."""


@dataclass(frozen=True)
class Event:
    """Something that people and machines should know beside the scores."""

    event: EventKind
    source: str
    """path of the file or name of the device"""
    start_s: float
    """when, in seconds since the source's start"""
    reason: str
    duration_s: float | None = None
    """of sound that was lost or could not be used"""
    count: int | None = None
    """of windows"""
    machine: str = ""
    """name of the machine that is listened to; a source does not know it"""


@dataclass(frozen=True)
class Block:
    """A piece of continuous sound."""

    samples: FloatArray
    """(frames, channels) in [-1, 1]"""
    rate_hz: int
    recording: Recording
    """a new one begins at every file and after every break"""
    start_s: float
    """of the first sample: since the start of the file, or since the microphone was opened"""
    last: bool = False
    """whether the recording ends with it, as a file does and a microphone does not"""


class Source(Protocol):
    """Where sound comes from."""

    @property
    def name(self) -> str:
        """Path or device name, for people."""

    @property
    def live(self) -> bool:
        """Whether sound comes at its own pace and is lost when nobody takes it."""

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give blocks and events until the source ends, or soon after `stop` is set."""


class Tapped:
    """A source whose sound is watched on its way.

    Args:
        source: Where the sound comes from.
        tap: Gets the sound and passes it on.
    """

    def __init__(self, source: Source, tap: Callable[[Iterator[Block | Event]], Iterator[Block | Event]]) -> None:
        self.name = source.name
        self.live = source.live
        self._source = source
        self._tap = tap

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give what the tap passes on; see `Source`."""
        return self._tap(self._source.sound(stop))


def level_dbfs(samples: FloatArray) -> float:
    """Root mean square without DC, in decibels relative to an RMS of 1 (a full-scale sine has -3)."""
    power = float(np.var(samples)) if samples.size else 0.0
    return max(SILENCE_DBFS, 10.0 * float(np.log10(power))) if power > 0 else SILENCE_DBFS
