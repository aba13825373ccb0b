"""The nearest-neighbour scorer, [ASP] equations (10) and (11), and its scores on its own references.

[ASP]: Sera, Kawamura, Ono, "Distance-based unsupervised anomalous sound detection with attentive statistics pooling
and ArcFace multi-task learning", DCASE 2025 Challenge technical report. Its mean and deviation are those of a machine
type, source and target together, so the minimum over all references is the minimum over both domains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.array_kind import ArrayKind
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import IndexArray, References, Timeline
from asd_edge.calibration.scorers import normalisation as normalising
from asd_edge.calibration.scorers.normalisation import Normalisation, count_of, normalised, per_variance_without
from asd_edge.calibration.scorers.scorer import ScorerSpec

_LEAST_SPREAD = 1e-18
"""The square of a smaller one is 0 in single precision; distances of embeddings that differ are far above it."""
ROWS = 512
"""The rows of a distance matrix that are computed at once: 512 x 10,000 doubles are 40 MB."""


class NearestNeighbour:
    """The smallest distance to a normalised reference, [ASP] equation (11), or relative to the reference's own spread.

    One score is one matrix-vector product: ``|q - x|^2 = |q|^2 - 2 x q + |x|^2`` with the norms ``|x|^2`` kept. The
    distances to the few references that could be the nearest within the rounding of that sum are then computed
    directly, so that it cannot show in the score and a reference scores exactly 0 against itself.

    Args:
        embeddings: (references, dim) float32, as the model gave them.
        normalisation: The mean and deviation to apply; measured on `embeddings` when left out.
        spread: (references,) the number that the distance to each reference is divided by; 1 when left out.
    """

    def __init__(
        self, embeddings: FloatArray, normalisation: Normalisation | None = None, spread: FloatArray | None = None
    ) -> None:
        self.normalisation = normalisation or Normalisation.of(embeddings)
        self.spread = np.ones(len(embeddings), np.float32) if spread is None else spread
        self._references = np.ascontiguousarray(self.normalisation.apply(embeddings))
        self._squared_norms = np.einsum("nd,nd->n", self._references, self._references)
        self._per_squared = 1.0 / np.square(self.spread)

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], references: References) -> NearestNeighbour:
        """Make the scorer of what `arrays` gave and the references that are kept."""
        return cls(references.embeddings, Normalisation(arrays["mean"], arrays["deviation"]), arrays["spread"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned beside the references themselves."""
        return {"mean": self.normalisation.mean, "deviation": self.normalisation.deviation, "spread": self.spread}

    def score(self, output: ModelOutput) -> float:
        """The anomaly score of one window."""
        query = self.normalisation.apply(output.embedding)
        own = query @ query
        squared = self._squared_norms - 2.0 * (self._references @ query) + own
        # The most that a sum of dim products can be off: dim eps |a| |b|, where 2 |a| |b| <= |a|^2 + |b|^2.
        rounding = len(query) * np.finfo(np.float32).eps * (2.0 * self._squared_norms + own)
        low, high = (squared - rounding) * self._per_squared, (squared + rounding) * self._per_squared
        # "Not above" rather than "below": an embedding that is not a number scores so, too.
        nearest = np.flatnonzero(~(low > high.min()))
        distances = np.linalg.norm(self._references[nearest] - query, axis=1)
        return float((distances / self.spread[nearest]).min())


def fit(references: References, kept: NDArray[np.bool_] | None = None) -> tuple[NearestNeighbour, NDArray[np.float64]]:
    """Take the references as they are.

    Args:
        references: Normal windows.
        kept: (references,) which of them to compare with; all when left out. Mean and deviation are those of all.

    Returns:
        The scorer, and the score of each reference without it and what depends on it; infinite where nothing is left.
        See `subset_scores`.
    """
    kept = np.ones(len(references), np.bool_) if kept is None else kept
    (scores,) = subset_scores(references, [kept])
    normalisation = Normalisation.of(references.embeddings, references.others)
    return NearestNeighbour(references.embeddings[kept], normalisation), np.asarray(scores)


def subset_scores(references: References, subsets: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """The leave-one-out scores of all references against several subsets of them.

    The neighbours are without the reference and what depends on it. Where it is known how far windows depend on each
    other, so are the deviations; where not, those are of all, as in [ASP] section 2.3.

    Args:
        references: Normal windows.
        subsets: Masks of shape (references,): who may be the nearest neighbour.

    Returns:
        (subsets, references) scores; infinite where a subset holds nothing but windows that depend on the reference.
    """
    z = normalised(references).astype(np.float64)
    normalised_by = len(references) + count_of(references.others) if references.timeline.reach_s > 0.0 else 0
    return nearest_others(z, references.timeline, subsets, normalised_by)


def nearest_others(
    z: NDArray[np.float64], timeline: Timeline, subsets: list[NDArray[np.bool_]], normalised_by: int = 0
) -> NDArray[np.float64]:
    """The distance of each point to the nearest other one of several subsets, from one pass over the distances.

    Args:
        z: (references, dim) points.
        timeline: When each reference was recorded: those that depend on each other are not compared.
        subsets: Masks of shape (references,): who may be the nearest neighbour.
        normalised_by: The number of windows by whose mean and deviation the points were normalised. Each is then
            measured by the deviations of those that do not depend on it. With 0 they are taken as they are.

    Returns:
        (subsets, references) distances; infinite where a subset holds nothing but points that depend on the point.
    """
    norms = np.einsum("nd,nd->n", z, z)
    scores = np.full((len(subsets), len(z)), np.inf)
    columns: IndexArray = np.flatnonzero(np.any(subsets, axis=0))  # who may be anybody's neighbour
    others = z if len(columns) == len(z) else z[columns]
    squares = np.square(others) if normalised_by else np.empty(0)
    among = [np.flatnonzero(subset[columns]) for subset in subsets]
    for start in range(0, len(z), ROWS):
        rows = slice(start, start + ROWS)
        if normalised_by:
            weights = per_variance_without(z, timeline, rows, normalised_by)
            own = (weights * np.square(z[rows])).sum(axis=1)
            squared = own[:, None] - 2.0 * ((weights * z[rows]) @ others.T) + weights @ squares.T
        else:
            weights = np.ones((1, 1))
            squared = norms[rows, None] - 2.0 * (z[rows] @ others.T) + norms[None, columns]
        squared[timeline.overlaps(rows, columns)] = np.inf
        for index, candidates in enumerate(among):
            if len(candidates):
                nearest = candidates[squared[:, candidates].argmin(axis=1)]
                # Measured directly: rounding in the long sum would give a copy of a window a score above 0.
                distances = np.sqrt((weights * np.square(z[rows] - others[nearest])).sum(axis=1))
                alone = np.isinf(squared[np.arange(len(nearest)), nearest])
                scores[index, rows] = np.where(alone, np.inf, distances)
    return scores


ARRAYS = {**normalising.ARRAYS, "spread": ArrayKind(np.float32, ("references",), least=_LEAST_SPREAD)}
"""The arrays that a bank keeps of a `NearestNeighbour`."""
SPEC = ScorerSpec(
    "distance to the nearest normal window", fit, NearestNeighbour.restore, points=normalised, arrays=ARRAYS
)
