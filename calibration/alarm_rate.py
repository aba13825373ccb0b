"""How often an alarm goes on while the machine is well: exact for windows that depend on each other, too.

Scores of windows that follow each other rise together: a load that lasts a minute is heard by six windows. They are
described by a stationary Gaussian process of first order behind the scores: the latent correlation of two windows that
lie t apart is ``r ** (t / hop)``. What the alarm sees of it is a chain of exceedances whose next step depends on the
latest `MEMORY` steps, which is as far as it matters.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
"""The length of a day in seconds."""
MEMORY = 4
"""The number of latest windows on which the next exceedance depends. With four, rates are within 4 % of those of the
process itself for the rules 3/5, 6/8 and 7/10 and correlations up to .7; with one they are up to 30 % too low."""
MOST_CORRELATION = 0.99
"""The highest latent correlation that is told apart from a score that never changes."""
_NODES = 32
"""The number of points of the Gauss-Legendre rule on each side of the threshold; 16 give the same rates to 1e-6."""
_REACH = 8.0
"""The largest value of a standard normal variable that is looked at: nothing beyond it has any weight."""


def false_alarms_per_day(k: int, n: int, exceedance: float, hop_s: float, correlation: float) -> float:
    """The number of alarms that a normal machine raises in a day.

    The alarm renews itself: off with an empty history, then on, then off again. The rate is one alarm per mean length
    of that cycle.

    Args:
        k: The number of windows that turn the alarm on or off.
        n: The number of latest windows that are looked at while it is off.
        exceedance: The chance that a normal window scores above the threshold, 0 to 1.
        hop_s: The time from one window to the next in seconds.
        correlation: The latent correlation of the scores of two windows that follow each other, 0 to 1.
    """
    if exceedance <= 0.0 or exceedance >= 1.0:  # it never begins, or it never ends
        return 0.0
    return DAY_S / hop_s / _cycle(k, n, exceedance, round(min(correlation, MOST_CORRELATION), 4))


def chances_of_next(exceedance: float, correlation: float, memory: int) -> NDArray[np.float64]:
    """The chance that the next window exceeds the threshold, given which of the latest windows did.

    Args:
        exceedance: The chance that any one window does.
        correlation: The latent correlation of two windows that follow each other.
        memory: The number of latest windows.

    Returns:
        (2 ** memory,) chances. The index has a bit for each window, 1 where it exceeds; the lowest bit is the latest.
    """
    if correlation <= 0.0 or memory == 0:
        return np.full(1 << memory, exceedance)
    from scipy import special  # a tenth of a second that `--help` need not pay

    threshold = float(-special.ndtri(exceedance))
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    below, above = (threshold + _REACH) / 2.0, (_REACH - threshold) / 2.0
    x = np.concatenate([(threshold - _REACH) / 2.0 + below * points, (threshold + _REACH) / 2.0 + above * points])
    width = np.concatenate([weights * below, weights * above])
    exceeds = x > threshold
    spread = float(np.sqrt(1.0 - correlation**2))
    step = _density((x[:, None] - correlation * x[None, :]) / spread) / spread * width[:, None]
    mass = _density(x) * width
    patterns = {0: mass * ~exceeds, 1: mass * exceeds}
    for _ in range(memory - 1):
        patterns = {
            (pattern << 1) | bit: (step @ latent) * (exceeds == bool(bit))
            for pattern, latent in patterns.items()
            for bit in (0, 1)
        }
    next_exceeds = special.ndtr((correlation * x - threshold) / spread)
    latents = np.stack([patterns[pattern] for pattern in range(1 << memory)])
    return np.asarray(latents @ next_exceeds / latents.sum(axis=1))


def _density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi))


@functools.lru_cache(maxsize=4096)
def _cycle(k: int, n: int, exceedance: float, correlation: float) -> float:
    """The mean number of windows from one alarm to the next."""
    # No longer than the run of normal windows that ends an alarm: from there on nothing else is remembered of it.
    memory = min(MEMORY, k) if correlation > 0.0 else 0
    chances = chances_of_next(exceedance, correlation, memory)
    return _windows_to_on(k, n, memory, chances) + _windows_to_off(k, chances)


def _windows_to_on(k: int, n: int, memory: int, chances: NDArray[np.float64]) -> float:
    """The mean wait from a history without exceedances, found for all histories at once.

    The first exceedance comes after 1 / q windows on average, q the chance of one where none is near. From there the
    way leads to the alarm, with chance a, or back to a history without any, from which everything begins again; it
    takes w windows::

        wait = (1 / q + w) / a
        w(h) = 1 + (1 - q(h)) w(h then normal) + q(h) w(h then anomalous)
        a(h) =     (1 - q(h)) a(h then normal) + q(h) a(h then anomalous)

    with w = 0 and a = 0 at the history without any, w = 0 and a = 1 at the alarm. Solving for the wait itself would
    lose it in rounding where alarms are rare: it grows as q^-k.
    """
    if k == 1:  # the first exceedance is the alarm
        return 1.0 / float(chances[0])
    histories, next_normal, next_anomalous = _histories(k, n, memory)
    chance = chances[histories & (len(chances) - 1)]
    count = len(histories)
    system, to_alarm = np.eye(count), np.zeros(count)
    rows = np.arange(count)
    for after, share in ((next_normal, 1.0 - chance), (next_anomalous, chance)):
        inside = after >= 0
        system[rows[inside], after[inside]] -= share[inside]
        to_alarm += np.where(after == _ALARM, share, 0.0)
    windows, alarm = np.linalg.solve(system, np.column_stack([np.ones(count), to_alarm]))[0]
    return float((1.0 / chances[0] + windows) / alarm)


_ALARM, _NOTHING = -1, -2


@functools.lru_cache(maxsize=64)
def _histories(k: int, n: int, memory: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """All histories with an exceedance and without an alarm, that with only the latest first, and what follows.

    Returns:
        The histories, with a bit for each window and the lowest for the latest; the position of the history after a
        normal window; and the same after an anomalous one. `_ALARM` and `_NOTHING` stand for the ends of the way.
    """
    looked_at, kept = (1 << n) - 1, (1 << max(n - 1, memory)) - 1
    histories = [history for history in range(1, kept + 1) if (history & looked_at >> 1).bit_count() < k]
    position = {history: index for index, history in enumerate(histories)}
    after: list[list[int]] = []
    for bit in (0, 1):
        following = [(history << 1) | bit for history in histories]
        after.append(
            [
                _ALARM if (window & looked_at).bit_count() >= k else position.get(window & kept, _NOTHING)
                for window in following
            ]
        )
    return np.array(histories), np.array(after[0]), np.array(after[1])


def _windows_to_off(k: int, chances: NDArray[np.float64]) -> float:
    """The mean wait for k normal windows in a row, from a history of exceedances alone."""
    if len(chances) == 1:
        exceedance = float(chances[0])
        return float(np.expm1(-k * np.log1p(-exceedance)) / exceedance)
    # One state for each pattern of the latest windows and each number of normal ones in a row so far.
    patterns = np.arange(len(chances))
    mask = len(chances) - 1
    count = len(chances) * k
    system = np.eye(count)
    for run in range(k):
        rows = run * len(chances) + patterns
        system[rows, ((patterns << 1) | 1) & mask] -= chances
        if run + 1 < k:
            system[rows, (run + 1) * len(chances) + ((patterns << 1) & mask)] -= 1.0 - chances
    return float(np.linalg.solve(system, np.ones(count))[mask])
