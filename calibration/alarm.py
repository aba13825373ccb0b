"""The alarm: a decision that persisted, and how often it cries wolf.

The command line reads this module for its help, so NumPy is imported where it computes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted

MAX_N = 10
"""The largest n of an alarm rule: the exact rate follows all 2^(n-1) histories, which stays instant up to here."""


@dataclass(frozen=True)
class AlarmRule:
    """The rule of an alarm: on after `k` anomalous windows of the last `n`, off after `k` normal windows in a row.

    It ends after normal windows in a row, not after k of n: a rule that lets six of eight normal windows end what
    six of eight anomalous ones began would toggle at every window of a borderline sound. An alarm that ended starts
    again from an empty history.
    """

    how_to_get: ClassVar[str] = 'write AlarmRule(6, 8), or AlarmRule.parse("6/8")'

    k: int = 6
    """The number of windows that turn it on or off."""
    n: int = 8
    """The number of latest windows that are looked at while it is off."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n <= MAX_N:
            raise InputError(
                "The alarm rule does not fit together.",
                got=f"{self.k} of {counted(self.n, 'window')}",
                valid=f"1 <= k <= n <= {MAX_N}",
                next_step="try --alarm 6/8",
            )

    @classmethod
    def parse(cls, text: str) -> AlarmRule:
        """Read ``6/8``."""
        k, slash, n = text.partition("/")
        if not (slash and all(part.isascii() and part.isdigit() and len(part) <= len(str(MAX_N)) for part in (k, n))):
            raise InputError(
                "The alarm rule cannot be read.", got=text, valid="k/n, such as 6/8", next_step="try --alarm 6/8"
            )
        return cls(int(k), int(n))

    def __str__(self) -> str:
        return f"{self.k}/{self.n}"

    def false_alarms_per_day(self, exceedance: float, hop_s: float, correlation: float = 0.0) -> float:
        """The number of alarms that a normal machine raises in a day; see `asd_edge.calibration.alarm_rate`.

        Args:
            exceedance: The chance that a normal window scores above the threshold, 0 to 1.
            hop_s: The time from one window to the next in seconds.
            correlation: The latent correlation of the scores of two windows that follow each other, 0 to 1.
        """
        from asd_edge.calibration.alarm_rate import false_alarms_per_day

        return false_alarms_per_day(self.k, self.n, exceedance, hop_s, correlation)


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
