"""Watching how far up sound reaches, so that a microphone that cuts it off is not taken for a machine that changed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from asd_edge.calibration.audio.bandwidth import (
    FULL_HZ,
    SURE_CLIFF_DB,
    BandwidthDifference,
    compare_bandwidth,
    reach_hz,
)
from asd_edge.calibration.audio.windowing import Window
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.runtime.sources.source import Event

_RECENT = 6
"""So many windows of a recording are averaged, a minute at the default hop."""
_LEAST_FOR_SOFT = 3
"""A soft difference is believed from so many windows on; a cliff is seen in one."""


class BandWatch:
    """Compares how far up windows reach with what a bank remembers.

    Attributes:
        reason: What is different now, in words; empty where nothing is.
    """

    def __init__(self) -> None:
        self._recent: deque[FloatArray] = deque(maxlen=_RECENT)
        self._recording = ""
        self.reason = ""

    def add(self, window: Window, levels_db: FloatArray, bank_db: Sequence[float]) -> Event | None:
        """Take the next window; give an event where the difference begins, ends or changes.

        Args:
            window: The window.
            levels_db: The levels of its bands.
            bank_db: The levels of the bank's bands; empty where it remembers none, and nothing is said.
        """
        if not bank_db:
            self.reason = ""
            return None
        if window.recording.id != self._recording:
            self._recording = window.recording.id
            self._recent.clear()
        self._recent.append(levels_db)
        found = compare_bandwidth(np.mean(self._recent, axis=0), bank_db)
        if found is not None and found.soft and len(self._recent) < _LEAST_FOR_SOFT:
            return None
        reason = "" if found is None else difference_in_words(found)
        if reason == self.reason:
            return None
        self.reason = reason
        told = reason or "the sound reaches as far up again as the bank's"
        return Event("bandwidth", window.recording.source, round(window.start_s, 4), told)


class BandSum:
    """The mean levels of the bands of windows, and the deviation of the windows' own levels."""

    def __init__(self) -> None:
        self._sum = np.zeros(0)
        self._squares = 0.0
        self._count = 0
        self._known = True

    def add(self, levels_db: Sequence[float] | FloatArray, count: int = 1, deviation_db: float | None = 0.0) -> None:
        """Take so many windows; of a bank that remembers no levels, nothing.

        Args:
            levels_db: The mean levels of their bands.
            count: The number of windows.
            deviation_db: The deviation of their own levels; none where it is not known.
        """
        if not len(levels_db):
            return
        self._sum = count * np.asarray(levels_db, np.float64) + (self._sum if self._count else 0.0)
        self._known &= deviation_db is not None
        self._squares += count * (float(np.mean(levels_db)) ** 2 + (deviation_db or 0.0) ** 2)
        self._count += count

    @property
    def levels_db(self) -> tuple[float, ...]:
        """The mean levels, rounded to tenths of a decibel; empty while there is no window."""
        return tuple(np.round(self._sum / self._count, 1).tolist()) if self._count else ()

    @property
    def deviation_db(self) -> float | None:
        """The deviation of the windows' own levels, the means over their bands; none where it is not known."""
        if not self._count or not self._known:
            return None
        variance = self._squares / self._count - float(np.mean(self._sum / self._count)) ** 2
        return round(math.sqrt(max(0.0, variance)), 2)


def difference_in_words(found: BandwidthDifference) -> str:
    """What is different, and what it may be."""
    hz, other_hz = f"{found.hz / 1000:.1f} kHz", f"{found.other_hz / 1000:.1f} kHz"
    if found.soft:
        return (
            f"the sound falls away above {hz}, where the bank's does not: another microphone or setting, something "
            f"before the microphone, or a machine that has become duller"
        )
    if found.hz < found.other_hz:
        return (
            f"the sound reaches up to {hz}, the bank's up to {other_hz}: another microphone, a lower rate or a filter, "
            f"and scores say little about the machine"
        )
    return (
        f"the sound reaches up to {hz}, the bank's only up to {other_hz}: it was enrolled through another microphone, "
        f"a lower rate or a filter, and scores say little about the machine"
    )


def narrow_in_words(levels_db: Sequence[float], rate_hz: int) -> str:
    """Say that sound reaches less far up than its device could hear; empty where it does not.

    Args:
        levels_db: The mean levels of the bands.
        rate_hz: The rate of the device.
    """
    hz = reach_hz(levels_db, SURE_CLIFF_DB) if len(levels_db) else FULL_HZ
    if hz >= min(FULL_HZ, rate_hz / 2) - 500.0:
        return ""
    return (
        f"the sound ends at {hz / 1000:.1f} kHz, although a rate of {rate_hz} Hz carries more, as behind a telephone "
        f"line, a headset's microphone or a lossy codec: what the machine does above that is not heard"
    )
