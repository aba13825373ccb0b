"""The cosine distance to the nearest normal window, on embeddings as the model gave them.

Where embeddings were trained to tell classes apart by their direction, as with ArcFace, the direction is what they
mean; their length and the deviation of single dimensions say nothing. Half the squared distance of two vectors of
length 1 is 1 less their cosine, so that the search and the leave-one-out scores are those of `nearest`, in which a
copy of a window scores exactly 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput, require_length
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.scorers.nearest import NearestNeighbour, nearest_others
from asd_edge.calibration.scorers.normalisation import Normalisation
from asd_edge.calibration.scorers.scorer import ScorerSpec


class NearestCosine:
    """The smallest cosine distance to a reference, from 0 (the same direction) to 2 (the opposite one).

    Args:
        embeddings: (references, dim) float32, as the model gave them.
    """

    def __init__(self, embeddings: FloatArray) -> None:
        self._dimensions = embeddings.shape[1]
        units = directions(embeddings)
        dimensions = units.shape[1]
        as_they_are = Normalisation(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
        self._nearest = NearestNeighbour(units, as_they_are)

    def score(self, output: ModelOutput) -> float:
        """The anomaly score of one window.

        Raises:
            ModelError: Its embedding has another length than the references.
        """
        require_length(output.embedding, self._dimensions)
        (unit,) = directions(output.embedding[None])
        return 0.5 * self._nearest.score(ModelOutput(unit)) ** 2

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing: the references themselves are all that it needs."""
        return {}


def directions(embeddings: FloatArray) -> FloatArray:
    """Bring embeddings to length 1.

    An embedding of zeros has no direction. It gets a dimension of its own, at a right angle to every other embedding.

    Args:
        embeddings: (references, dim) float32.

    Returns:
        (references, dim + 1) float32.
    """
    values = embeddings.astype(np.float64)
    lengths = np.sqrt((values * values).sum(axis=1, keepdims=True))
    zeros = lengths == 0.0
    return np.hstack([values / np.where(zeros, 1.0, lengths), zeros]).astype(np.float32)


def fit(references: References, kept: NDArray[np.bool_] | None = None) -> tuple[NearestCosine, NDArray[np.float64]]:
    """Take the references as they are.

    Args:
        references: Normal windows.
        kept: (references,) which of them to compare with; all when left out.

    Returns:
        The scorer, and the score of each reference against all others kept that do not share sound with it; infinite
        where every other one shares sound.
    """
    kept = np.ones(len(references), np.bool_) if kept is None else kept
    units = directions(references.embeddings).astype(np.float64)
    (distances,) = nearest_others(units, references.timeline, [kept])
    return NearestCosine(references.embeddings[kept]), 0.5 * distances**2


SPEC = ScorerSpec(
    "cosine distance to the nearest normal window",
    fit,
    lambda _, references: NearestCosine(references.embeddings),
    points=lambda references: directions(references.embeddings),
)
