"""Telling sound that came late from sound that never came, by the clock."""

from __future__ import annotations

from collections import deque
from typing import Literal

LATE_S = 0.4
"""A block that comes this much later than the sound before it promised is late: two blocks' time."""
DECIDE_S = 1.0
"""So many seconds after a late block it is decided what became of the sound: what was only held up has come in a burst
by then, and what has not come is lost."""
_MEMORY_S = 5.0
"""The usual lag is the least of so many seconds: jitter only ever adds to it, and clocks drift little in that time."""


class DropoutDetector:
    """A detector that follows one stream of sound.

    Args:
        rate_hz: The sample rate that the device promises.

    Attributes:
        lost_s: How many seconds of sound the latest verdict ``lost`` was about.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frames = 0
        self._lags: deque[tuple[float, float]] = deque()
        self._late_since: float | None = None
        self.lost_s = 0.0

    def add(self, arrived_s: float, frames: int) -> Literal["on time", "late", "lost"]:
        """Take note of a block.

        Args:
            arrived_s: When the block came, in seconds of a monotonic clock.
            frames: The length of the block in samples of one channel.

        Returns:
            ``late`` while blocks lag behind and may yet catch up; ``on time`` otherwise and when they have;
            ``lost`` once when they have not, after which the new lag is the usual one.
        """
        self._frames += frames
        lag = arrived_s - self._frames / self._rate_hz
        usual = min((each for _, each in self._lags), default=lag)
        if self._late_since is None and lag > usual + LATE_S:
            self._late_since = arrived_s
        if self._late_since is not None:
            if lag > usual + LATE_S / 2:
                if arrived_s - self._late_since < DECIDE_S:
                    return "late"
                self.lost_s = lag - usual
                self._lags.clear()
                self._late_since = None
                self._lags.append((arrived_s, lag))
                return "lost"
            self._late_since = None
        self._lags.append((arrived_s, lag))
        while self._lags[0][0] < arrived_s - _MEMORY_S:
            self._lags.popleft()
        return "on time"
