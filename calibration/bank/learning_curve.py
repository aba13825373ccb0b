"""Was it long enough? How much nearer the nearest normal window comes as references are added.

That is asked of the sound, not of a scorer: whichever compares with the references, windows that keep being far from
all that were heard before are sound that it has not learned yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from asd_edge.calibration.contract.references import References
from asd_edge.calibration.scorers.nearest import subset_scores

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""The shares of the references at which the curve is measured; the second and the last say whether more would help."""
LONG_ENOUGH_DROP = 0.05
"""While the second half of the enrolment still lowers the score by more than this, more sound will tighten the
threshold; below it the threshold moves less than the scores of one machine vary from hour to hour."""
_MOST_DOUBLINGS = 2
MOST_MORE = 2.0**_MOST_DOUBLINGS - 1.0
"""The most that is asked for at once, as a share of what was heard."""
_DRAWS = 8
"""The number of random subsets that each share is averaged over."""
_MOST_REFERENCES = 2000
"""The curve of larger banks is measured on so many references, drawn at random."""


@dataclass(frozen=True)
class LearningCurve:
    """The mean distance to the nearest other window, by the number of references."""

    references: tuple[int, ...]
    """The numbers of references, rising."""
    mean_distances: tuple[float, ...]
    """The mean distance with each of these numbers."""

    @property
    def drop(self) -> float:
        """How much the second half of the references lowered the mean distance, as a share of it."""
        half, whole = self.mean_distances[-3], self.mean_distances[-1]
        return 1.0 - whole / half

    @property
    def long_enough(self) -> bool:
        """Whether more references would hardly change the distance."""
        return self.drop <= LONG_ENOUGH_DROP

    @property
    def more(self) -> float:
        """How much more sound it takes until more would hardly change the distance, as a share of what was heard.

        Each doubling lowers the distance less than the one before, by the ratio of the last two. It is 0 where it is
        long enough, and at most `MOST_MORE`: further than two doublings ahead nobody can see.
        """
        if self.long_enough:
            return 0.0
        earlier = 1.0 - self.mean_distances[-3] / self.mean_distances[0]
        ratio = self.drop / earlier if earlier > 0.0 else 1.0
        doublings = math.log(LONG_ENOUGH_DROP / self.drop) / math.log(ratio) if ratio < 1.0 else math.inf
        return MOST_MORE if doublings >= _MOST_DOUBLINGS else 2.0**doublings - 1.0


def learning_curve(references: References) -> LearningCurve:
    """Measure the curve on random subsets of references, always drawn the same way.

    Args:
        references: As many as a threshold needs, or more.
    """
    rng = np.random.default_rng(0)
    count = len(references)
    eligible = np.zeros(count, dtype=np.bool_)
    eligible[rng.permutation(count)[:_MOST_REFERENCES]] = True
    chosen = np.flatnonzero(eligible)
    sizes = [max(1, round(fraction * len(chosen))) for fraction in FRACTIONS]
    subsets = []
    for size in sizes:
        for _ in range(_DRAWS):
            subset = np.zeros(count, dtype=np.bool_)
            subset[rng.permutation(chosen)[:size]] = True
            subsets.append(subset)
    scores = subset_scores(references, subsets).reshape(len(sizes), _DRAWS, count)
    # A small subset may hold nothing but windows that overlap the one in question: those pairs say nothing.
    means = [float(np.mean(each[np.isfinite(each)])) for each in scores]
    return LearningCurve(tuple(sizes), tuple(means))
