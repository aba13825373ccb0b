"""Bringing the dimensions of an embedding to one scale, [ASP] equation (10).

[ASP]: Sera, Kawamura, Ono, "Distance-based unsupervised anomalous sound detection with attentive statistics pooling
and ArcFace multi-task learning", DCASE 2025 Challenge technical report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.array_kind import ArrayKind
from asd_edge.calibration.contract.model_output import FloatArray, require_length
from asd_edge.calibration.contract.moments import Moments
from asd_edge.calibration.contract.references import References, Timeline

ARRAYS = {
    "mean": ArrayKind(np.float32, ("dim",)),
    "deviation": ArrayKind(np.float32, ("dim",), above=0.0),
}
"""The arrays that a bank keeps of a `Normalisation`."""


@dataclass(frozen=True)
class Normalisation:
    """The mean and deviation of each embedding dimension over a machine's references, both domains together."""

    mean: FloatArray
    """(dim,): the mean of each dimension."""
    deviation: FloatArray
    """(dim,): the deviation of each dimension; 1 where a dimension does not vary."""

    @classmethod
    def of(cls, embeddings: FloatArray, others: Moments | None = None) -> Normalisation:
        """Measure mean and deviation.

        Args:
            embeddings: (references, dim)
            others: The moments of more embeddings, which count as well.
        """
        values = embeddings.astype(np.float64)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        if others is not None:
            both = Moments.of(embeddings).with_more(others)
            mean, deviation = both.mean, both.deviation
        # A dimension that is constant up to float32 rounding carries nothing; dividing by its "deviation" would
        # make rounding noise the loudest dimension of all.
        single = np.finfo(np.float32)
        constant = deviation <= np.maximum(8 * single.eps * np.abs(mean), single.tiny)
        deviation[constant] = 1.0
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def apply(self, embeddings: FloatArray) -> FloatArray:
        """Normalise embeddings (..., dim).

        Raises:
            ModelError: They have another length than those that mean and deviation were measured on.
        """
        require_length(embeddings, len(self.mean))
        normalised: FloatArray = (embeddings - self.mean) / self.deviation
        return normalised


def normalised(references: References) -> FloatArray:
    """Normalise references by the mean and deviation of all windows that were heard, (references, dim)."""
    return Normalisation.of(references.embeddings, references.others).apply(references.embeddings)


def count_of(others: Moments | None) -> int:
    """The number of windows of which only the moments are left."""
    return 0 if others is None else others.count


def per_variance_without(z: NDArray[np.float64], timeline: Timeline, rows: slice, count: int) -> NDArray[np.float64]:
    """What squared differences are multiplied by to be measured without the share that a window has in the deviations.

    A window makes the deviations larger in which it is strange, and so hides itself. Windows that were normalised by
    `count` of them have the mean 0 and the variance 1. Without those that depend on window i, P of them, and with one
    of the usual variance instead, so that no dimension is left without any::

        left = count - P
        variance = (count - sum z^2) / left - (sum z / left)^2        sums over the P rows
        shrunk = (left * variance + 1) / (left + 1)

    Args:
        z: (references, dim) windows, normalised by the mean and deviation of `count` windows, themselves among them.
        timeline: When each was recorded.
        rows: The windows that are left out, each in its turn.
        count: The number of windows that mean and deviation were measured on.

    Returns:
        (rows, dim) the inverse of the shrunk variance without each, at most ``left + 1``.
    """
    depend = timeline.overlaps(rows).astype(np.float64)
    left = count - depend.sum(axis=1, keepdims=True)
    total = count - depend @ np.square(z) - np.square(depend @ z) / np.maximum(left, 1.0)
    return np.asarray((left + 1.0) / (np.maximum(total, 0.0) + 1.0))
