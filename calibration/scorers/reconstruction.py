"""Scores of models that rebuild the window, alone and beside the Mahalanobis distance of the embedding.

[MM]: Zhao, Yan, Zhao, Zhang, Lei, "Multi-modal acoustic anomaly detection via reconstruction and discriminative
learning with BEATs representations", DCASE 2025 Challenge technical report: its system 3 scores by the mean squared
error, its system 4 by that and the Mahalanobis distance together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.scorers.domain_wise import DomainWise
from asd_edge.calibration.scorers.mahalanobis import Mahalanobis, fit_mahalanobis


class Reconstruction:
    """How badly the model rebuilds a window; the references serve the threshold only."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing was learned."""
        return {}

    def score(self, embedded: ModelOutput) -> float:
        """Anomaly score of one window."""
        return float(_required(embedded.reconstruction_error))


@dataclass(frozen=True, eq=False)
class ReconstructionAndDistance:
    """Reconstruction error and Mahalanobis distance, each in units of its own deviation over normal windows.

    Standardised scores would have their means taken away as well. Left in, they are a constant that changes no order,
    and the sum begins at 0 as the Gamma distribution of the threshold does.
    """

    distance: DomainWise
    deviations: NDArray[np.float64]
    """(2,) of the reconstruction error and of the leave-one-out distance"""

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> ReconstructionAndDistance:
        """From what `arrays` gave."""
        return cls(DomainWise.restore(arrays, Mahalanobis), arrays["deviations"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned."""
        return self.distance.arrays() | {"deviations": self.deviations}

    def score(self, embedded: ModelOutput) -> float:
        """Anomaly score of one window."""
        error, distance = _required(embedded.reconstruction_error), self.distance.score(embedded)
        return float(error / self.deviations[0] + distance / self.deviations[1])


def fit_reconstruction(references: References) -> tuple[Reconstruction, NDArray[np.float64]]:
    """Take the model's own score.

    Returns:
        The scorer, and the reconstruction error of each reference. Leaving it out changes nothing here; whether the
        model was trained on the same sound, and rebuilds it better than new normal sound, only who trained it knows.
    """
    return Reconstruction(), _required(references.reconstruction_errors)


def fit_reconstruction_and_distance(
    references: References,
) -> tuple[ReconstructionAndDistance, NDArray[np.float64]]:
    """Learn the covariance and the deviations of both scores.

    Returns:
        The scorer, and each reference's score with its leave-one-out distance.
    """
    errors = _required(references.reconstruction_errors)
    distance, distances = DomainWise.fit(references, fit_mahalanobis)
    deviations = np.array([_deviation(errors), _deviation(distances)])
    return ReconstructionAndDistance(distance, deviations), errors / deviations[0] + distances / deviations[1]


def _deviation(scores: NDArray[np.float64]) -> float:
    """1 where there is none."""
    finite = scores[np.isfinite(scores)]
    return float(finite.std()) or 1.0 if len(finite) else 1.0


def _required(value: Any) -> Any:
    if value is None:
        raise ModelError(
            "The scorer needs the model's reconstruction error, and this model rebuilds nothing.",
            got="a model without the output reconstruction_error",
            valid="an autoencoder",
            next_step="choose another --scorer, or a model that was trained to rebuild its input",
        )
    return value
