"""The alarm: a decision that persisted, and how often it cries wolf.

The command line reads this module for its help, so NumPy is imported where it computes.
"""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted

DAY_S = 86_400.0
"""The length of a day in seconds."""
MAX_N = 10
"""The largest n of an alarm rule: the exact rate follows all 2^(n-1) histories, which stays instant up to here."""


@dataclass(frozen=True)
class AlarmRule:
    """The rule of an alarm: on after `k` anomalous windows of the last `n`, off after `k` normal windows in a row.

    It ends after normal windows in a row, not after k of n: a rule that lets three of five normal windows end what
    three of five anomalous ones began would toggle at every window of a borderline sound. An alarm that ended starts
    again from an empty history.
    """

    how_to_get: ClassVar[str] = 'write AlarmRule(3, 5), or AlarmRule.parse("3/5")'

    k: int = 3
    """The number of windows that turn it on or off."""
    n: int = 5
    """The number of latest windows that are looked at while it is off."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n <= MAX_N:
            raise InputError(
                "The alarm rule does not fit together.",
                got=f"{self.k} of {counted(self.n, 'window')}",
                valid=f"1 <= k <= n <= {MAX_N}",
                next_step="try --alarm 3/5",
            )

    @classmethod
    def parse(cls, text: str) -> AlarmRule:
        """Read ``3/5``."""
        k, slash, n = text.partition("/")
        if not (slash and all(part.isascii() and part.isdigit() and len(part) <= len(str(MAX_N)) for part in (k, n))):
            raise InputError(
                "The alarm rule cannot be read.", got=text, valid="k/n, such as 3/5", next_step="try --alarm 3/5"
            )
        return cls(int(k), int(n))

    def __str__(self) -> str:
        return f"{self.k}/{self.n}"

    def false_alarms_per_day(self, exceedance: float, hop_s: float) -> float:
        """The number of alarms that a normal machine raises in a day of windows whose scores are independent.

        The alarm renews itself: off with an empty history, then on, then off again. The rate is one alarm per mean
        length of that cycle.

        Args:
            exceedance: The chance that a normal window scores above the threshold, 0 to 1.
            hop_s: The time from one window to the next in seconds.
        """
        if exceedance <= 0.0:
            return 0.0
        windows_per_day = DAY_S / hop_s
        return windows_per_day / (_mean_windows_to_on(self, exceedance) + self._mean_windows_to_off(exceedance))

    def exceedance_for(self, false_alarms_per_day: float, hop_s: float) -> float:
        """The chance per window that makes so many false alarms a day: the inverse of `false_alarms_per_day`.

        Args:
            false_alarms_per_day: The number that is wished for.
            hop_s: The time from one window to the next in seconds.

        Raises:
            InputError: The wish is not positive, or more than any threshold would give.
        """
        import numpy as np

        # Past its peak the rate falls again, because an alarm that hardly ever ends cannot begin anew.
        grid = np.linspace(0.01, 0.99, 99)
        peak = float(grid[np.argmax([self.false_alarms_per_day(float(q), hop_s) for q in grid])])
        most = self.false_alarms_per_day(peak, hop_s)
        if not 0.0 < false_alarms_per_day <= most:
            raise InputError(
                "No threshold gives that many false alarms a day.",
                got=f"{false_alarms_per_day:g} a day with alarm {self} and a hop of {hop_s:g} s",
                valid=f"more than 0, up to {most:.3g}",
                next_step="try --false-alarms-per-day 1",
            )
        # Where q^k falls under 1e-12, rates are below one alarm in a century.
        low, high = np.log(1e-12) / self.k, np.log(peak)
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self.false_alarms_per_day(float(np.exp(middle)), hop_s) < false_alarms_per_day:
                low = middle
            else:
                high = middle
        return float(np.exp(0.5 * (low + high)))

    def _mean_windows_to_off(self, exceedance: float) -> float:
        """The mean wait for k normal windows in a row: (p^-k - 1) / (1 - p) for a chance p of a normal one."""
        import numpy as np

        if exceedance >= 1.0:
            return float("inf")
        normal = 1.0 - exceedance
        return float(np.expm1(-self.k * np.log(normal)) / exceedance)


@functools.lru_cache(maxsize=1024)
def _mean_windows_to_on(rule: AlarmRule, exceedance: float) -> float:
    """The mean wait from an empty history, found for all histories of the last n - 1 windows at once.

    A first anomalous window comes after 1 / q windows on average. From there the way leads to the alarm, with
    chance a, or back to an all-normal history, from which everything begins again; it takes w windows::

        wait = (1 / q + w) / a
        w(h) = 1 + (1 - q) w(h then normal) + q w(h then anomalous)
        a(h) =     (1 - q) a(h then normal) + q a(h then anomalous)

    with w = 0 and a = 0 at the all-normal history, w = 0 and a = 1 at the alarm. Solving for the wait itself
    would lose it in rounding where alarms are rare: it grows as q^-k.

    Results are kept, since a threshold is asked for more than once and long histories take milliseconds each.
    """
    import numpy as np

    if rule.k == 1:
        return 1.0 / exceedance
    histories = 1 << (rule.n - 1)
    system, to_alarm = np.eye(histories), np.zeros(histories)
    for history in range(1, histories):
        for anomalous, chance in ((0, 1.0 - exceedance), (1, exceedance)):
            window = (history << 1) | anomalous
            if window.bit_count() >= rule.k:
                to_alarm[history] += chance
            elif after := window & (histories - 1):
                system[history, after] -= chance
    windows, alarm = np.linalg.solve(system, np.column_stack([np.ones(histories), to_alarm]))[1]
    return float((1.0 / exceedance + windows) / alarm)


class Alarm:
    """The state of one alarm.

    Args:
        rule: The rule by which it goes on and off.
    """

    def __init__(self, rule: AlarmRule) -> None:
        self.rule = rule
        self.on = False
        self._recent: deque[bool] = deque(maxlen=rule.n)
        self._normal_in_a_row = 0

    def update(self, anomalous: bool) -> bool:
        """Take the decision on the next window.

        Returns:
            Whether the alarm went on or off with it.
        """
        was_on = self.on
        if self.on:
            self._normal_in_a_row = 0 if anomalous else self._normal_in_a_row + 1
            self.on = self._normal_in_a_row < self.rule.k
        else:
            self._recent.append(anomalous)
            if sum(self._recent) >= self.rule.k:
                self.on = True
                self._recent.clear()
                self._normal_in_a_row = 0
        return self.on != was_on
