"""The nearest-neighbour scorer, [ASP] equations (10) and (11), and its scores on its own references.

[ASP]: Sera, Kawamura, Ono, "Distance-based unsupervised anomalous sound detection with attentive statistics pooling
and ArcFace multi-task learning", DCASE 2025 Challenge technical report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_ROWS = 512
"""Rows of a distance matrix computed at once: 512 x 10,000 doubles are 40 MB."""


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation of each embedding dimension over the references, [ASP] equation (10)."""

    mean: FloatArray
    """(dim,)"""
    deviation: FloatArray
    """(dim,); 1 where a dimension does not vary"""

    @classmethod
    def of(cls, embeddings: FloatArray) -> Normalisation:
        """Measure it on embeddings of shape (references, dim)."""
        values = embeddings.astype(np.float64)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        # A dimension that is constant up to float32 rounding carries nothing; dividing by its "deviation" would
        # make rounding noise the loudest dimension of all.
        single = np.finfo(np.float32)
        constant = deviation <= np.maximum(8 * single.eps * np.abs(mean), single.tiny)
        deviation[constant] = 1.0
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def apply(self, embeddings: FloatArray) -> FloatArray:
        """Normalise embeddings of shape (..., dim)."""
        normalised: FloatArray = (embeddings - self.mean) / self.deviation
        return normalised


class NearestNeighbour:
    """Smallest Euclidean distance to a normalised reference, [ASP] equation (11).

    One score is one matrix-vector product: ``|q - x|^2 = |q|^2 - 2 x q + |x|^2`` with the norms ``|x|^2`` kept. The
    distances to the few references that could be the nearest within the rounding of that sum are then computed
    directly, so that it cannot show in the score and a reference scores exactly 0 against itself.

    Args:
        embeddings: (references, dim) float32, as the model gave them.
        normalisation: Mean and deviation to apply; measured on `embeddings` when left out.
    """

    def __init__(self, embeddings: FloatArray, normalisation: Normalisation | None = None) -> None:
        self.normalisation = normalisation or Normalisation.of(embeddings)
        self._references = np.ascontiguousarray(self.normalisation.apply(embeddings))
        self._squared_norms = np.einsum("nd,nd->n", self._references, self._references)

    def score(self, embedding: FloatArray) -> float:
        """Anomaly score of one embedding of shape (dim,)."""
        query = self.normalisation.apply(embedding)
        relative = self._squared_norms - 2.0 * (self._references @ query)
        # The most that a sum of dim products can be off: dim eps |a| |b|, where 2 |a| |b| <= |a|^2 + |b|^2.
        rounding = len(query) * np.finfo(np.float32).eps * (2.0 * self._squared_norms + query @ query)
        # "Not above" rather than "below": an embedding that is not a number scores so, too.
        nearest = ~(relative - rounding > np.min(relative + rounding))
        return float(np.linalg.norm(self._references[nearest] - query, axis=1).min())


@dataclass(frozen=True)
class Timeline:
    """When each reference was recorded, so that windows which share sound are not compared with each other."""

    recordings: NDArray[np.int32]
    """(references,) index of the continuous recording that the window was cut from"""
    starts_s: NDArray[np.float64]
    """(references,) start of the window within its recording"""
    window_s: float
    """length of every window"""

    def overlaps(self, rows: slice) -> NDArray[np.bool_]:
        """Which references share sound with those in `rows`: (len(rows), references); each shares with itself."""
        same = self.recordings[rows, None] == self.recordings[None, :]
        # Half a sample of tolerance: windows that touch do not overlap.
        near = np.abs(self.starts_s[rows, None] - self.starts_s[None, :]) < self.window_s - 3e-5
        return np.asarray(same & near)

    def independent(self) -> int:
        """How many windows can be picked of which no two share sound."""
        count = 0
        for recording in np.unique(self.recordings):
            end = -np.inf
            for start in np.sort(self.starts_s[self.recordings == recording]):
                if start >= end - 3e-5:
                    count, end = count + 1, start + self.window_s
        return count


def leave_one_out_scores(embeddings: FloatArray, timeline: Timeline) -> NDArray[np.float64]:
    """Score each reference against all others that do not share sound with it.

    Args:
        embeddings: (references, dim) float32.
        timeline: When each was recorded.

    Returns:
        (references,) scores; infinite where every other reference shares sound.
    """
    (scores,) = subset_scores(embeddings, timeline, [np.ones(len(embeddings), dtype=np.bool_)])
    return np.asarray(scores)


def subset_scores(embeddings: FloatArray, timeline: Timeline, subsets: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Leave-one-out scores of all references against several subsets of them, from one pass over the distances.

    Args:
        embeddings: (references, dim) float32.
        timeline: When each was recorded.
        subsets: Masks of shape (references,): who may be the nearest neighbour.

    Returns:
        (subsets, references) scores; infinite where a subset holds nothing that does not share sound.
    """
    z = Normalisation.of(embeddings).apply(embeddings).astype(np.float64)
    norms = np.einsum("nd,nd->n", z, z)
    scores = np.full((len(subsets), len(z)), np.inf)
    for start in range(0, len(z), _ROWS):
        rows = slice(start, start + _ROWS)
        squared = norms[rows, None] - 2.0 * (z[rows] @ z.T) + norms[None, :]
        squared[timeline.overlaps(rows)] = np.inf
        for index, subset in enumerate(subsets):
            candidates = np.flatnonzero(subset)
            if len(candidates):
                nearest = candidates[squared[:, candidates].argmin(axis=1)]
                # Measured directly: rounding in the long sum would give a copy of a window a score above 0.
                distances = np.linalg.norm(z[rows] - z[nearest], axis=1)
                alone = np.isinf(squared[np.arange(len(nearest)), nearest])
                scores[index, rows] = np.where(alone, np.inf, distances)
    return scores
