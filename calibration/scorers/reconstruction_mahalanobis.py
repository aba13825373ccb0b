"""The reconstruction error beside the Mahalanobis distance of the embedding, in one score.

[MM]: Zhao, Yan, Zhao, Zhang, Lei, "Multi-modal acoustic anomaly detection via reconstruction and discriminative
learning with BEATs representations", DCASE 2025 Challenge technical report: its system 4 scores by both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.array_kind import ArrayKind
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.scorers.domain_wise import DomainWise
from asd_edge.calibration.scorers.mahalanobis import ARRAYS, Mahalanobis, fit_mahalanobis
from asd_edge.calibration.scorers.reconstruction import required_error
from asd_edge.calibration.scorers.scorer import ScorerSpec


@dataclass(frozen=True, eq=False)
class ReconstructionAndDistance:
    """Reconstruction error and Mahalanobis distance, each in units of its own deviation over normal windows.

    Standardised scores would have their means taken away as well. Left in, they are a constant that changes no order,
    and the sum begins at 0 as the Gamma distribution of the threshold does.
    """

    distance: DomainWise
    """The Mahalanobis distance of the embedding."""
    deviations: NDArray[np.float64]
    """(2,): the deviation of the reconstruction error and that of the leave-one-out distance."""

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> ReconstructionAndDistance:
        """Make the scorer of what `arrays` gave."""
        return cls(DomainWise.restore(arrays, Mahalanobis), arrays["deviations"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned."""
        return self.distance.arrays() | {"deviations": self.deviations}

    def score(self, output: ModelOutput) -> float:
        """The anomaly score of one window."""
        error, distance = required_error(output.reconstruction_error), self.distance.score(output)
        return float(error / self.deviations[0] + distance / self.deviations[1])


def fit(references: References) -> tuple[ReconstructionAndDistance, NDArray[np.float64]]:
    """Learn the covariance and the deviations of both scores.

    Returns:
        The scorer, and each reference's score with its leave-one-out distance.

    Raises:
        ModelError: The model gives no reconstruction error.
    """
    errors = required_error(references.reconstruction_errors)
    distance, distances = DomainWise.fit(references, fit_mahalanobis)
    deviations = np.array([_deviation(errors), _deviation(distances)])
    return ReconstructionAndDistance(distance, deviations), errors / deviations[0] + distances / deviations[1]


def _deviation(scores: NDArray[np.float64]) -> float:
    """The deviation of the finite scores; 1 where there is none."""
    finite = scores[np.isfinite(scores)]
    return float(finite.std()) or 1.0 if len(finite) else 1.0


SPEC = ScorerSpec(
    "reconstruction error and Mahalanobis distance, each by its normal deviation",
    fit,
    lambda arrays, _: ReconstructionAndDistance.restore(arrays),
    arrays={**ARRAYS, "deviations": ArrayKind(np.float64, (2,), above=0.0)},
    rebuilds=True,
    sklearn=True,
)
