"""Telling sound that came late from sound that never came, by the clock; and the time of sound, whatever held it up."""

from __future__ import annotations

from collections import deque
from typing import Literal

LATE_S = 0.4
"""A block that comes this much later than the sound before it promised is late: two blocks' time."""
STEADY_S = LATE_S / 2
"""Blocks whose lags differ by less come at the pace of their sound: jitter is smaller, and bursts make up for more."""
DECIDE_S = 1.0
"""Once late blocks have come at a steady pace for so many seconds it is decided what became of the sound: what was only
held up has come in a burst by then, and what has not come is lost."""
BURST_S = 1.0
"""So much sound at once, or more, was held up before the hole; of less it is not known on which side it belongs."""
UNDECIDED_S = 10.0
"""A computer so busy that nothing comes at a steady pace is not waited for any longer than this."""
SLEW = 0.1
"""How many seconds the time of sound is corrected by at most with each second of it, so that it never runs backwards:
half a second of a first block that came late is put right within five seconds."""
_UNSURE_BLOCKS = 2
"""So many blocks at the end of a burst are as late as those after it: on which side of the hole they lie is unknown."""
_MEMORY_S = 5.0
"""The usual lag is the least of so many seconds: jitter only ever adds to it, and clocks drift little in that time."""


class DropoutDetector:
    """A detector that follows one stream of sound.

    The lag of a block is the time at which it came less the length of all sound so far. Sound cannot come before it was
    made, so that the least lag is nearest to the truth, and the time of sound follows it slowly.

    Args:
        rate_hz: The sample rate that the device promises.

    Attributes:
        offset_s: What is to be added to the length of the sound before a block to have the time of its first sample.
            While blocks are late it stays as it was; from the verdict ``lost`` on it is that after the hole.
        lost_s: How many seconds of sound the latest verdict ``lost`` was about.
        before_hole: How many of the late blocks, the oldest ones, belong before the lost sound.
        after_hole: From which of the late blocks on all belong behind it. Of those between it is not known.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frames = 0
        self._lags: deque[tuple[float, float]] = deque()
        self._late: list[tuple[float, float]] = []
        self._broken = False
        self._started = False
        self.offset_s = 0.0
        self.lost_s = 0.0
        self.before_hole = 0
        self.after_hole = 0

    def add(self, arrived_s: float, frames: int, broken: bool = False) -> Literal["on time", "late", "lost"]:
        """Take note of a block.

        Args:
            arrived_s: When the block came, in seconds of a clock that goes on while the computer sleeps.
            frames: The length of the block in samples of one channel.
            broken: Whether it is known that sound before this block was lost, of whatever length; this is allowed only
                where no block is late.

        Returns:
            ``late`` while blocks lag behind and may yet catch up; ``on time`` otherwise and when they have; ``lost``
            once when they have not, after which the new lag is the usual one.
        """
        self._frames += frames
        lag = arrived_s - self._frames / self._rate_hz
        if not self._started:
            self._started, self.offset_s = True, lag
        self._broken = self._broken or broken
        usual = min((each for _, each in self._lags), default=self.offset_s)
        if self._broken or lag > usual + (LATE_S / 2 if self._late else LATE_S):
            self._late.append((arrived_s, lag))
            steady = self._steady_from()
            waited_s = arrived_s - self._late[0][0]
            if arrived_s - self._late[steady][0] < DECIDE_S - 1e-6 and waited_s < UNDECIDED_S:
                return "late"
            self.decide()
            return "lost"
        self._late.clear()
        self._lags.append((arrived_s, lag))
        while self._lags[0][0] < arrived_s - _MEMORY_S:
            self._lags.popleft()
        wanted_s = min(each for _, each in self._lags) - self.offset_s
        most_s = SLEW * frames / self._rate_hz
        self.offset_s += max(-most_s, min(wanted_s, most_s))
        return "on time"

    def decide(self) -> None:
        """Decide now what became of the sound before the blocks that are late."""
        lags = [lag for _, lag in self._late]
        steady = self._steady_from()
        new = min(lags) if steady == len(lags) - 1 else min(lags[steady:])
        self.lost_s = max(0.0, new - self.offset_s)
        self.before_hole = self.after_hole = 0
        if not self._broken:
            # Where a burst has a hole, it lies at its end: what holds sound back fills up and takes no more.
            burst = next(index for index, lag in enumerate(lags) if lag <= new + STEADY_S)
            self.before_hole = burst if lags[0] - new > BURST_S else 0
            self.after_hole = min(burst + _UNSURE_BLOCKS, len(lags) - 1) if burst else 0
        self.offset_s += self.lost_s
        self._lags = deque(self._late[steady:])
        self._late, self._broken = [], False

    def release(self) -> None:
        """Leave undecided what became of the sound before blocks that are late."""
        self._late = []

    def _steady_from(self) -> int:
        """From which of the late blocks on all have come at the pace of their sound."""
        least, most, first = self._late[-1][1], self._late[-1][1], len(self._late) - 1
        for index in range(len(self._late) - 1, -1, -1):
            lag = self._late[index][1]
            least, most = min(least, lag), max(most, lag)
            if most - least > STEADY_S:
                break
            first = index
        return first
