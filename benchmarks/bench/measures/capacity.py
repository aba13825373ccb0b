"""How many microphones a device carries: streams of windows at their real pace, more of them until it falls behind."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

SPARE = 0.3
"""The share of the time that is to be left: windows come that much faster than the hop says."""
_BEGIN_AT = 0.85
"""The search begins at this share of what a division would promise. What counts is what was run."""
_STEP = 1.1
"""The first step up multiplies the microphones by this, the next by its square, and so on."""
_TRIALS = 12
"""The time is divided into about so many trials."""
_LEAST_WINDOWS = 8
_MOST_LAG = 0.02
"""Where windows are later than this share of a trial, each a little more, there are too many."""
_EXACT = 50
"""The search ends when it is known to one part of so many."""


class Clock(Protocol):
    """Something that tells the time and lets it pass."""

    def now(self) -> float:
        """What time it is, in seconds."""
        ...

    def wait_until(self, moment: float) -> None:
        """Return at that moment, or at once when it is over."""
        ...


class RealClock:
    """The clock of this computer."""

    def now(self) -> float:
        """See `Clock`."""
        return time.perf_counter()

    def wait_until(self, moment: float) -> None:
        """See `Clock`."""
        time.sleep(max(0.0, moment - time.perf_counter()))


@dataclass(frozen=True)
class Carried:
    """What the search found."""

    microphones: int | None
    """the most whose windows were all scored before their next ones were due; none where even the fewest that there was
    time to run were too many"""
    limit_found: bool
    """whether more were run and were too many; otherwise the time was over before"""
    trials: tuple[tuple[int, bool], ...]
    """how many were run, and whether they were carried, in this order"""


def microphones_carried(
    score_batch: Callable[[], object],
    usual_s: float,
    batch: int,
    hop_s: float,
    duration_s: float,
    clock: Clock | None = None,
) -> Carried:
    """Search for the largest number of microphones that is carried with `SPARE` to spare.

    Their windows come evenly spread, as those of microphones that were not started at the same moment do.

    Args:
        score_batch: Embeds and scores as many windows as a batch has.
        usual_s: The seconds that this takes, about.
        batch: How many windows are waited for and scored together.
        hop_s: The time from one window of a microphone to the next in seconds.
        duration_s: How long to search in seconds; what has begun then is finished.
        clock: The clock; that of this computer when left out.
    """
    clock = clock or RealClock()
    period_s = (1.0 - SPARE) * hop_s
    ends = clock.now() + duration_s
    trials: list[tuple[int, bool]] = []
    carried, too_many, step = 0, 0, _STEP
    count = max(batch, int(_BEGIN_AT * batch * period_s / usual_s))
    while not trials or clock.now() < ends:
        trial = _Trial(count, batch, period_s, duration_s / _TRIALS)
        # A moment of other work is no limit: what was too much is tried again.
        kept_up = trial.run(score_batch, clock) or trial.run(score_batch, clock)
        trials.append((count, kept_up))
        if kept_up:
            carried = count
        else:
            too_many = count
        if carried and too_many:
            if too_many - carried <= max(1, carried // _EXACT):
                break
            count = (carried + too_many) // 2
        elif carried:
            count, step = max(carried + 1, int(step * carried)), step**2
        elif too_many > batch:
            count = max(batch, too_many // 2)
        else:
            break
    unknown = not carried and too_many > batch
    return Carried(None if unknown else carried, bool(too_many), tuple(trials))


@dataclass(frozen=True)
class _Trial:
    """So many microphones, listened to for a while."""

    count: int
    batch: int
    period_s: float
    """the time from one window of a microphone to the next"""
    least_s: float

    def run(self, score_batch: Callable[[], object], clock: Clock) -> bool:
        """Whether every window was scored before the next of its microphone was due, and they did not pile up."""
        apart_s = self.batch * self.period_s / self.count  # from one full batch to the next
        first_waits_s = apart_s * (self.batch - 1) / self.batch  # the first of a batch, for the others
        batches = 1 + max(min(_LEAST_WINDOWS, self.count // self.batch), int(self.least_s / apart_s))
        began = clock.now()
        lags_s = []
        for index in range(batches):
            comes = began + index * apart_s
            clock.wait_until(comes)
            lags_s.append(clock.now() - comes)
            score_batch()
            if clock.now() - comes + first_waits_s > self.period_s:
                return False
        return statistics.median(lags_s[batches // 2 :]) <= _MOST_LAG * batches * apart_s
