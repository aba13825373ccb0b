"""Whether scores are higher than those of the enrolled windows, by a sequential test with a bound on its false events.

Each score is compared with the one that a quarter of normal windows lies above. How many of a machine's windows do so
is not exactly a quarter, since the bank is finite: of m independent windows the share is Beta distributed, as for the
alarm's threshold. And it may change somewhat from one day to the next, of which an enrolment of minutes knows nothing.
The test therefore asks whether the share is above the most that these two can explain.

It bets against that (Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science, 2023): as long as the share is not above the limit, the capital of a
bettor who begins anew whenever nothing is left to lose reaches c at most once in c bets on average, whatever the
distribution of the scores. Windows that depend on each other are counted as one bet together.
"""

from __future__ import annotations

import math

from asd_edge.calibration.alarm_rate import chances_of_next
from asd_edge.calibration.bank.false_alarms import NormalScores

_SHARE = 0.25
"""The share of normal windows that lie above the score which is compared with: high enough that a weak fault shows,
low enough that a dozen independent windows know it."""
_TOLERATED_SHARE = 0.4
"""So many windows may lie above it because one day is not like the other: four in ten are what a quarter becomes where
scores rise by .4 of their deviation."""
_UNKNOWN_BANKS = 1e-3
"""The share of banks that are worse than the limit says."""
_YEAR_S = 365.25 * 86_400.0
"""A machine that is well is told about at most once in this time on average, by this test."""
_ALTERNATIVES = (0.25, 0.55, 0.85)
"""How far up from the limit towards all windows a bettor expects the share to be; three of them bet side by side."""
_BACK = (0.3, 0.6)
"""How far down from the limit towards none, for the test whether the share is normal again."""
_BACK_CHANCE = 1e-3
"""The chance that a share which stays above the limit is taken for normal again."""


class RankTest:
    """A sequential test whether too many scores are high, and whether that is over.

    Args:
        normal: The ranked normal scores of the bank.
        hop_s: The time from one window to the next in seconds.

    Attributes:
        on: Whether too many scores are high.
        windows: The number of windows so far.
        began: The number of windows that had been heard when what turned the test on or off began.
    """

    def __init__(self, normal: NormalScores, hop_s: float) -> None:
        from scipy import special  # a tenth of a second that `--help` need not pay

        rank = _SHARE * (normal.independent + 1.0)
        most = float(special.betaincinv(rank, normal.independent + 1.0 - rank, 1.0 - _UNKNOWN_BANKS))
        self.limit_share = min(max(_TOLERATED_SHARE, most), 0.95)
        """The largest share of windows above `limit` that is taken for normal."""
        self.limit = normal.value_at(rank)
        """The score that is compared with."""
        self.together = _together(normal.dependence.correlation_at(hop_s, normal.window_s))
        """The number of windows that count as one."""
        up = [self.limit_share + part * (1.0 - self.limit_share) for part in _ALTERNATIVES]
        down = [self.limit_share * (1.0 - part) for part in _BACK]
        self._up = _Bettors(self.limit_share, up, _YEAR_S / (hop_s * self.together))
        self._down = _Bettors(self.limit_share, down, 1.0 / _BACK_CHANCE)
        self.on = False
        self.windows = self.began = 0
        self._above = self._count = 0

    def add(self, score: float) -> bool:
        """Take the score of the next window.

        Returns:
            Whether the test went on or off with it.
        """
        self.windows += 1
        self._above += score > self.limit
        self._count += 1
        if self._count < self.together:
            return False
        bettors = self._down if self.on else self._up
        won = bettors.add(self._above / self._count, self.windows - self._count)
        self._above = self._count = 0
        if won:
            self.on = not self.on
            self.began = bettors.began
            bettors.restart()
        return won


class _Bettors:
    """Bettors against a limit of a share, each of whom expects another share.

    Args:
        limit: The share that they bet against.
        expected: The shares that they expect, all on one side of the limit.
        capital: The capital at which the limit is given up.
    """

    def __init__(self, limit: float, expected: list[float], capital: float) -> None:
        self._limit = limit
        # What they would win from a window that is either above or not: the ratio of the two likelihoods.
        self._stakes = [(each - limit) / (limit * (1.0 - limit)) for each in expected]
        self._wanted = math.log(capital * len(expected))
        self.began = 0
        self.restart()

    def restart(self) -> None:
        self._logs = [0.0] * len(self._stakes)
        self._begins = [0] * len(self._stakes)

    def add(self, share: float, at: int) -> bool:
        """Bet on the share of the next windows; whether somebody reached the capital."""
        won = False
        for number, stake in enumerate(self._stakes):
            if self._logs[number] <= 0.0:
                self._logs[number], self._begins[number] = 0.0, at
            self._logs[number] += math.log1p(stake * (share - self._limit))
            if self._logs[number] >= self._wanted and not won:
                won, self.began = True, self._begins[number]
        return won


def _together(correlation: float) -> int:
    """How many windows that follow each other say as much as one that is independent.

    Args:
        correlation: The latent correlation of the scores of two windows that follow each other.
    """
    both = _SHARE * float(chances_of_next(_SHARE, correlation, 1)[1])
    common = (both - _SHARE**2) / (_SHARE - _SHARE**2)
    return max(1, round((1.0 + common) / (1.0 - common)))
