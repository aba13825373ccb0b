"""From normal scores to a threshold: what one is, and the Gamma fit of [ASP] section 2.3 for a percentile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.false_alarms import FalseAlarms

DEFAULT_PERCENTILE = 90.0
"""The percentile of normal scores that offline scoring and evaluation decide by, [ASP] section 2.3."""
MIN_INDEPENDENT_WINDOWS = 10
"""Fewer windows hold not even one score above their 90th percentile."""
_LEAST_SPREAD = 1e-6
"""The least spread of scores, relative to the largest: they come from float32 embeddings, and what is closer together
differs only by rounding."""


@dataclass(frozen=True)
class Threshold:
    """A score to compare with, and what it rests on."""

    value: float
    """The score above which a window is anomalous."""
    percentile: float
    """The percentage of normal windows that are expected to stay under it."""
    false_alarms: FalseAlarms
    """The false alarms to expect with the alarm rule and hop that it was chosen for."""
    windows: float
    """The number of independent windows that it rests on."""
    extrapolated: bool
    """Whether it lies beyond all that was enrolled, so that the distribution's tail is a guess."""


@dataclass(frozen=True)
class GammaFit:
    """A Gamma distribution of normal scores, which begins at 0."""

    shape: float
    """The shape parameter."""
    scale: float
    """The scale parameter, in the unit of the scores."""

    @staticmethod
    def possible(scores: NDArray[np.float64]) -> bool:
        """Whether scores have a spread that a fit needs: copies of one sound all score 0."""
        positive = scores[scores > 0]
        return len(positive) > 0 and bool(np.ptp(positive) > _LEAST_SPREAD * positive.max())

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> GammaFit:
        """Fit the distribution by maximum likelihood.

        The location stays at 0: a distance cannot be smaller, and with a free third parameter the likelihood of
        small samples has no maximum.

        Args:
            scores: (references,) leave-one-out scores for which the fit is `possible`.
        """
        from scipy import stats  # half a second and 40 MB: only enrolling pays for it

        # A copy of another window scores 0, which a Gamma density cannot hold.
        shape, _, scale = stats.gamma.fit(np.maximum(scores, scores[scores > 0].min()), floc=0)
        return cls(float(shape), float(scale))

    def threshold(self, percentile: float) -> float:
        """The score that `percentile` of 100 normal windows stay under."""
        from scipy import special  # a tenth of a second that `--help` need not pay

        return float(special.gammaincinv(self.shape, percentile / 100.0) * self.scale)
