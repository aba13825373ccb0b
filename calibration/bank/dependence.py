"""How long windows that follow each other stay alike, so that normal sound is judged by sound that knows nothing of it.

A window of a slow load sounds like the windows beside it. Compared with them it scores too low, so they are left out
with it; and as their scores rise together, an alarm that waits for several of them goes on more often than by chance.
Both are measured on the enrolled windows:

- the similarity at a lag is the mean product of the normalised embeddings of two windows that lie so far apart in one
  recording, less that of windows that have nothing to do with each other;
- windows are left out up to the first lag at which it is lost in its own scatter;
- the latent correlation of the scores is the square of the similarity at one hop, as it is for distances between
  Gaussian vectors, or more where the ranks of the scores say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm_rate import MOST_CORRELATION
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import IndexArray, References, Timeline
from asd_edge.calibration.scorers.normalisation import normalised

MOST_LAGS = 360
"""The longest lag that is looked at, in hops: an hour at 10 s each. What changes more slowly is a state or a drift."""
MOST_SHARE = 8
"""Windows are left out up to this part of all on each side, so that three quarters of them stay to compare. With a
half, every window of two minutes of a machine looks strange, and a fault is missed."""
_DETECTABLE = 2.0
"""The similarity counts from so many of its standard errors on."""
_NEGLIGIBLE = 0.1
"""A similarity below this share of the scatter of unrelated pairs does not move a score, however well it is known."""
LONG = 40
"""From so many windows on, a recording is compared with itself: what sets it apart from other recordings is then a
state of the machine, of which there is enough to compare with. Shorter ones are compared with others, too."""
_PAIRS = 20_000
"""The number of unrelated pairs that are drawn to measure their mean and scatter."""
_PRIOR_PAIRS = 60.0
"""The ranks of the scores count as much as the embeddings at so many pairs of neighbours."""


@dataclass(frozen=True)
class Dependence:
    """How much windows that follow each other have in common."""

    hop_s: float
    """The time from one window to the next, for which the correlation holds, in seconds."""
    reach_s: float
    """How far apart in seconds two windows of one recording must begin to say something new."""
    correlation: float
    """The latent correlation of the scores of two windows that follow each other, 0 to 1."""

    def correlation_at(self, hop_s: float, window_s: float) -> float:
        """The latent correlation at another hop: that of a process of first order, or the share of common sound.

        What happens between windows that were enrolled far apart is not known: there the measured correlation stands.

        Args:
            hop_s: The time from one window to the next in seconds.
            window_s: The length of a window in seconds.
        """
        decayed = self.correlation ** max(1.0, hop_s / self.hop_s) if self.correlation > 0.0 else 0.0
        return float(min(max(decayed, 1.0 - hop_s / window_s), MOST_CORRELATION))


def similarity(references: References) -> Dependence:
    """Measure how far windows stay alike, and the correlation of scores that follows from it.

    Args:
        references: The windows.
    """
    timeline = references.timeline
    hop_s = timeline.hop_s
    nothing = Dependence(hop_s, timeline.window_s, 0.0)
    longest = int(np.bincount(timeline.recordings).max(initial=0))
    within = longest >= LONG
    most = min((longest if within else len(references)) // MOST_SHARE, longest - 1, MOST_LAGS)
    if most < 1:
        return nothing
    z = normalised(references)
    first, second = _unrelated(timeline, (most + 1) * hop_s, within)
    if not len(first):
        return nothing
    unrelated = _products(z, first, second)
    mean, scatter = float(unrelated.mean()), float(unrelated.std())
    at_one, reach = 0.0, most
    for lag in range(1, most + 1):
        earlier, later = neighbours(timeline, lag, hop_s)
        if not len(earlier):
            reach = lag - 1
            break
        found = (float(_products(z, earlier, later).mean()) - mean) / (1.0 - mean)
        if lag == 1:
            at_one = max(0.0, found)
        if found < scatter * max(_DETECTABLE / np.sqrt(len(earlier)), _NEGLIGIBLE):
            reach = lag - 1
            break
    return Dependence(hop_s, max(timeline.window_s, (reach + 0.5) * hop_s if reach else 0.0), at_one**2)


def with_scores(dependence: Dependence, scores: NDArray[np.float64], timeline: Timeline) -> Dependence:
    """Take into account what the scores themselves say: loud minutes show in them and not in the similarity.

    Args:
        dependence: What the embeddings say.
        scores: (windows,) leave-one-out scores; those that are not finite say nothing.
        timeline: When each window was recorded.
    """
    from scipy import special, stats  # only enrolling pays for it

    known = np.flatnonzero(np.isfinite(scores))
    timeline = timeline.at(known)
    earlier, later = neighbours(timeline, 1, dependence.hop_s)
    if len(earlier) < 2:
        return dependence
    normal = special.ndtri((stats.rankdata(scores[known]) - 0.5) / len(known))
    spread = float(np.mean(normal**2))
    if spread <= 0.0:
        return dependence
    # Taking the mean off lowers the correlation of neighbours by about 2 / windows.
    found = float(np.mean(normal[earlier] * normal[later])) / spread + 2.0 / len(known)
    weight = len(earlier) / (len(earlier) + _PRIOR_PAIRS)
    more = weight * max(0.0, found - dependence.correlation)
    return Dependence(dependence.hop_s, dependence.reach_s, min(dependence.correlation + more, MOST_CORRELATION))


def neighbours(timeline: Timeline, lag: int, hop_s: float) -> tuple[IndexArray, IndexArray]:
    """The rows of windows that lie `lag` hops apart in one recording, the earlier and the later of each pair.

    Args:
        timeline: When each window was recorded.
        lag: The number of hops.
        hop_s: The time from one window to the next in seconds.
    """
    # One axis for all recordings, far enough apart that no lag leads from one to the next.
    apart_s = 2.0 * (float(timeline.starts_s.max(initial=0.0)) + lag * hop_s + hop_s)
    times = timeline.recordings * apart_s + timeline.starts_s
    order = np.argsort(times, kind="stable")
    wanted = times[order] + lag * hop_s
    after = np.clip(np.searchsorted(times[order], wanted - hop_s / 2.0), 0, len(order) - 1)
    paired = np.abs(times[order][after] - wanted) < hop_s / 2.0
    return order[paired], order[after[paired]]


def _unrelated(timeline: Timeline, apart_s: float, within: bool) -> tuple[IndexArray, IndexArray]:
    """Pairs of rows that lie far apart in one recording or, unless only such are wanted, in different recordings.

    They are always the same for the same windows.
    """
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(timeline.starts_s), (2, _PAIRS))
    same = timeline.recordings[first] == timeline.recordings[second]
    far = np.abs(timeline.starts_s[first] - timeline.starts_s[second]) >= apart_s
    chosen = same & far if within else ~same | far
    return first[chosen], second[chosen]


def _products(z: FloatArray, first: IndexArray, second: IndexArray) -> NDArray[np.float64]:
    """The mean product of each pair of rows over the dimensions, in pieces that fit the memory."""
    pieces = [
        np.einsum("nd,nd->n", z[first[at : at + 4096]], z[second[at : at + 4096]]).astype(np.float64)
        for at in range(0, len(first), 4096)
    ]
    return np.asarray(np.concatenate(pieces) / z.shape[1])
