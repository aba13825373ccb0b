"""Bringing the dimensions of an embedding to one scale, [ASP] equation (10).

[ASP]: Sera, Kawamura, Ono, "Distance-based unsupervised anomalous sound detection with attentive statistics pooling
and ArcFace multi-task learning", DCASE 2025 Challenge technical report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray, require_length


@dataclass(frozen=True)
class Normalisation:
    """The mean and deviation of each embedding dimension over a machine's references, both domains together."""

    mean: FloatArray
    """(dim,): the mean of each dimension."""
    deviation: FloatArray
    """(dim,): the deviation of each dimension; 1 where a dimension does not vary."""

    @classmethod
    def of(cls, embeddings: FloatArray) -> Normalisation:
        """Measure mean and deviation on embeddings (references, dim)."""
        values = embeddings.astype(np.float64)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
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


def normalised(embeddings: FloatArray) -> FloatArray:
    """Normalise embeddings (references, dim) by their own mean and deviation."""
    return Normalisation.of(embeddings).apply(embeddings)
