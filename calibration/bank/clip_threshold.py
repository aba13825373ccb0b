"""From normal scores to a threshold for clips, which are decided by the largest score of their windows.

A clip of two windows has two chances to lie above the threshold of single windows: with windows that know nothing of
each other, 19 of 100 normal clips would lie above their 90th percentile. [ASP] section 2.3 fits the scores of normal
clips, so the fit here is one of the same statistic: the largest score of a stretch of normal sound as long as the clip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.threshold import DEFAULT_PERCENTILE, MIN_INDEPENDENT_WINDOWS, GammaFit
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted

MIN_STRETCHES = MIN_INDEPENDENT_WINDOWS
"""Fewer stretches hold not even one above their 90th percentile."""


def clip_threshold(bank: Bank, windows: int, percentile: float = DEFAULT_PERCENTILE) -> float:
    """The threshold that `percentile` of 100 normal clips stay under, for clips of so many windows.

    For clips of one window it is the threshold of windows. For longer ones it is the percentile of a Gamma fit to the
    largest leave-one-out scores of stretches of so many windows in a row (see `stretch_maxima`); where the enrolled
    clips have as many windows each, that is one value for each of them.

    Clips of other lengths than those that were enrolled: where the enrolled recordings are longer, they are cut into
    stretches as long as the clip. Where they are shorter, or give fewer than `MIN_STRETCHES` stretches, the sound says
    nothing of how the windows of such a clip depend on each other; they are then taken to be independent, and the
    threshold is that of windows at the percentile ``100 (percentile / 100) ** (1 / windows)``. That is never too low
    for windows that are alike, as those of one clip are: fewer false alarms than promised, and fewer faults found.

    Args:
        bank: A bank that is ready.
        windows: The number of windows of a clip, 1 or more.
        percentile: The percentile, above 0 and below 100.

    Raises:
        BankError: The bank is not ready, or there is no such percentile.
        InputError: The clip has no window.
    """
    if windows < 1:
        raise InputError(
            "A clip has at least one window.",
            got=f"{counted(windows, 'window')}",
            valid="1 or more",
            next_step="count the windows that the clip was cut into",
        )
    apart = percentile if windows == 1 else 100.0 * (percentile / 100.0) ** (1.0 / windows)
    threshold = bank.threshold_at(apart, AlarmRule(), bank.info.hop_s).value
    if windows == 1:
        return threshold
    maxima = stretch_maxima(bank.normal_scores, bank.normal_timeline, windows)
    if len(maxima) < MIN_STRETCHES or not GammaFit.possible(maxima):
        return threshold
    return GammaFit.of(maxima).threshold(percentile)


def stretch_maxima(scores: NDArray[np.float64], timeline: Timeline, windows: int) -> NDArray[np.float64]:
    """The largest score of each stretch of so many windows that follow each other in one recording.

    Stretches have no window in common. What is left of a recording after its last whole stretch is passed over, and so
    is a score that is infinite because no window was left to compare with.

    Args:
        scores: (windows,) the score of each window.
        timeline: When each window was recorded, in the order of the scores.
        windows: The number of windows of a stretch.

    Returns:
        (stretches,), none where every recording has fewer windows.
    """
    maxima = []
    for recording in np.unique(timeline.recordings):
        rows = np.flatnonzero((timeline.recordings == recording) & np.isfinite(scores))
        rows = rows[np.argsort(timeline.starts_s[rows], kind="stable")]
        whole = len(rows) // windows * windows
        maxima.append(scores[rows[:whole]].reshape(-1, windows).max(axis=1))
    return np.concatenate(maxima)
