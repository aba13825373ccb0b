"""The alarm's threshold: how often the alarm will go on while the machine is well, and how well that is known.

Normal scores are ranked, and nothing is assumed of their distribution. Of m independent windows, a new one scores above
the r-th highest with a chance q that is Beta distributed, ``q ~ Beta(r, m + 1 - r)`` (Wilks, "Determination of sample
sizes for setting tolerance limits", Annals of Mathematical Statistics 12, 1941). The rate of the alarm follows from q
exactly (`asd_edge.calibration.alarm_rate`), so its mean and its interval follow from r. The threshold for a wish is the
score at that rank, between two scores where need be, at which the mean rate is the wish. Few windows make q uncertain,
and the mean rate is then ruled by the worst of what q could be: the threshold is higher, the fewer the windows.

Windows that depend on each other count as fewer: m is ``(1 - c) / (1 + c)`` of them, c the correlation of whether two
that follow each other exceed the threshold.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.alarm_rate import chances_of_next
from asd_edge.calibration.bank.dependence import Dependence
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.errors import InputError

CONFIDENCE = 0.90
"""The share of enrolments whose interval holds the true rate."""
_COPY = 1e-3
"""A score below this share of the median is that of a copy: the same sound twice says nothing about other sound."""
_TAIL = 0.2
"""The share of the highest scores from which the scores beyond the highest are guessed."""
_FEWEST_IN_TAIL = 3
"""The least number of scores of that tail."""
_EXCEEDANCE_OF_COUNT = 0.1
"""The exceedance at which windows that depend on each other are counted: about that of the default rule."""
_CHANCES = np.concatenate([np.geomspace(1e-7, 1e-2, 26), np.linspace(0.015, 0.995, 66)])
"""The exceedances at which rates are computed; between them their logarithms are interpolated. Above, an alarm does not
end within a lifetime."""
_STEPS = 300
"""The number of quantiles of the Beta distribution that a mean is taken over."""


@dataclass(frozen=True)
class FalseAlarms:
    """The false alarms a day, as far as they are known."""

    mean: float
    """The mean over all that the exceedance could be."""
    at_least: float
    """The lower end of the 90 % interval."""
    at_most: float
    """The upper end of the 90 % interval."""


@dataclass(frozen=True, eq=False)
class NormalScores:
    """The scores of normal windows by a scorer that does not know them, ranked.

    `NormalScores.of` makes them.
    """

    descending: NDArray[np.float64]
    """(windows,): the scores, the highest first, without those of copies."""
    dependence: Dependence
    """What windows that follow each other have in common."""
    window_s: float
    """The length of a window in seconds."""
    independent: float
    """The number of independent windows that say as much as these do together."""

    @classmethod
    def of(cls, scores: NDArray[np.float64], timeline: Timeline, dependence: Dependence) -> NormalScores:
        """Rank leave-one-out scores.

        Args:
            scores: (windows,) the scores; those that are not finite or of copies say nothing.
            timeline: When each window was recorded.
            dependence: What windows that follow each other have in common.
        """
        rows = np.flatnonzero(np.isfinite(scores))
        if len(rows):
            rows = rows[scores[rows] > _COPY * np.median(scores[rows])]
        window_s = timeline.window_s
        # Of windows that share sound one counts; those that only follow each other are still alike.
        correlation = dependence.correlation_at(max(dependence.hop_s, window_s), window_s)
        q = _EXCEEDANCE_OF_COUNT
        both = q * float(chances_of_next(q, correlation, 1)[1])
        common = (both - q * q) / (q - q * q)
        independent = timeline.at(rows).independent() * (1.0 - common) / (1.0 + common)
        return cls(np.sort(scores[rows])[::-1], dependence, window_s, independent)

    def value_at(self, rank: float) -> float:
        """The score at a rank among the independent windows: 1 for the highest, between two scores where need be.

        Below rank 1 it is a guess, from a tail that falls as an exponential does.
        """
        place = rank * self._per_rank
        scores = self.descending
        if place < 1.0:
            return float(scores[0] - self._mean_excess * np.log(place))
        return float(np.interp(place, np.arange(1, len(scores) + 1), scores))

    def rank_of(self, value: float) -> float:
        """The rank of a score, the inverse of `value_at`."""
        scores = self.descending
        if value > scores[0]:
            excess = (value - scores[0]) / self._mean_excess if self._mean_excess > 0.0 else np.inf
            return float(max(np.exp(-excess), 1e-9) / self._per_rank)
        place = np.interp(-value, -scores, np.arange(1, len(scores) + 1))
        return float(place / self._per_rank)

    def false_alarms(self, rank: float, rule: AlarmRule, hop_s: float) -> FalseAlarms:
        """The false alarms a day with the threshold at a rank.

        Args:
            rank: The rank of the threshold among the independent windows.
            rule: The rule of the alarm.
            hop_s: The time from one window to the next in seconds.
        """
        correlation = self.dependence.correlation_at(hop_s, self.window_s)
        return _false_alarms(rank, self.independent, rule, hop_s, correlation)

    def rank_for(self, wish: float, rule: AlarmRule, hop_s: float) -> float:
        """The rank at which the mean number of false alarms a day is the wish.

        Args:
            wish: The number of false alarms a day.
            rule: The rule of the alarm.
            hop_s: The time from one window to the next in seconds.

        Raises:
            InputError: The wish is not positive, or more than any threshold would give.
        """
        correlation = self.dependence.correlation_at(hop_s, self.window_s)
        return _rank_for(wish, self.independent, rule, hop_s, correlation)

    def windows_for(self, wish: float, rule: AlarmRule, hop_s: float) -> float:
        """The number of independent windows whose highest score would do for the wish: with fewer, it is a guess."""
        correlation = self.dependence.correlation_at(hop_s, self.window_s)
        low, high = 1.0, 2.0
        while _rank_for(wish, high, rule, hop_s, correlation) < 1.0:
            low, high = high, 2.0 * high
        while high > 1.01 * low:
            middle = (low * high) ** 0.5
            enough = _rank_for(wish, middle, rule, hop_s, correlation) >= 1.0
            low, high = (low, middle) if enough else (middle, high)
        return high

    def with_windows(self, more: float, wish: float, rule: AlarmRule, hop_s: float) -> FalseAlarms:
        """The false alarms a day of the threshold for a wish, if so many independent windows were added."""
        correlation = self.dependence.correlation_at(hop_s, self.window_s)
        windows = self.independent + more
        return _false_alarms(_rank_for(wish, windows, rule, hop_s, correlation), windows, rule, hop_s, correlation)

    def beyond(self, rank: float) -> bool:
        """Whether a rank lies beyond the highest score, where the tail is a guess."""
        return rank * self._per_rank < 1.0 - 1e-9

    @property
    def _per_rank(self) -> float:
        """The number of places among the scores that a rank among the independent windows is."""
        return (len(self.descending) + 1.0) / (self.independent + 1.0)

    @property
    def _mean_excess(self) -> float:
        """How far the highest scores lie above the tail's beginning on average: the scale of an exponential tail."""
        scores = self.descending
        count = min(max(_FEWEST_IN_TAIL, int(_TAIL * len(scores))), len(scores) - 1)
        return float((scores[:count] - scores[count]).mean()) if count > 0 else 0.0


@functools.lru_cache(maxsize=64)
def _log_rates(rule: AlarmRule, hop_s: float, correlation: float) -> NDArray[np.float64]:
    return np.log([rule.false_alarms_per_day(float(q), hop_s, correlation) for q in _CHANCES])


def _rates(q: NDArray[np.float64], rule: AlarmRule, hop_s: float, correlation: float) -> NDArray[np.float64]:
    """The false alarms a day at exceedances q; under the least of the grid they fall as q^k."""
    logs, x = _log_rates(rule, hop_s, round(correlation, 3)), np.log(_CHANCES)
    at = np.log(np.maximum(q, 1e-300))
    return np.asarray(np.exp(np.interp(at, x, logs) + rule.k * np.minimum(at - x[0], 0.0)))


def _false_alarms(rank: float, windows: float, rule: AlarmRule, hop_s: float, correlation: float) -> FalseAlarms:
    from scipy import special  # a tenth of a second that `--help` need not pay

    # The mean is ruled by large q: steps are finer towards there.
    u = (np.arange(_STEPS) + 0.5) / _STEPS
    rest = windows + 1.0 - rank
    q = special.betaincinv(rank, rest, 1.0 - (1.0 - u) ** 3)
    mean = float(np.mean(_rates(q, rule, hop_s, correlation) * 3.0 * (1.0 - u) ** 2))
    tail = (1.0 - CONFIDENCE) / 2.0
    ends = special.betaincinv(rank, rest, np.array([tail, 1.0 - tail]))
    low, high = _rates(ends, rule, hop_s, correlation)
    return FalseAlarms(mean, float(low), float(high))


@functools.lru_cache(maxsize=256)
def _rank_for(wish: float, windows: float, rule: AlarmRule, hop_s: float, correlation: float) -> float:
    def mean(rank: float) -> float:
        return _false_alarms(rank, windows, rule, hop_s, correlation).mean

    # Past its peak the rate falls again, because an alarm that hardly ever ends cannot begin anew.
    ranks = np.linspace(0.02, 0.98, 49) * windows
    means = [mean(float(rank)) for rank in ranks]
    peak = int(np.argmax(means))
    if not 0.0 < wish <= means[peak]:
        raise InputError(
            "No threshold gives that many false alarms a day.",
            got=f"{wish:g} a day with alarm {rule} and a hop of {hop_s:g} s",
            valid=f"more than 0, up to {means[peak]:.3g}",
            next_step="try --false-alarms-per-day 1",
        )
    low, high = np.log(1e-9), np.log(ranks[peak])
    for _ in range(50):
        middle = 0.5 * (low + high)
        if mean(float(np.exp(middle))) < wish:
            low = middle
        else:
            high = middle
    return float(np.exp(0.5 * (low + high)))
