"""What a model gives for one window: all that a scorer may look at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.errors import ModelError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What the model gives for one window."""

    embedding: FloatArray
    """The embedding, (dim,) float32."""
    reconstruction_error: float | None = None
    """How badly an autoencoder rebuilt the window; none from models that rebuild nothing."""

    @property
    def not_finite(self) -> str | None:
        """The name of the output that is infinite or not a number; none where every number is finite."""
        if not np.isfinite(self.embedding).all():
            return "embedding"
        error = self.reconstruction_error
        return None if error is None or math.isfinite(error) else "reconstruction error"


def require_length(embedding: FloatArray, dimensions: int) -> None:
    """Refuse an embedding, or embeddings (..., dim), of another length than those of the references.

    Raises:
        ModelError: The length is another.
    """
    if embedding.ndim == 0 or embedding.shape[-1] != dimensions:
        raise ModelError(
            "The embedding has another length than those of the bank.",
            got=f"an array of shape {embedding.shape}",
            valid=f"({dimensions},)",
            next_step="embed the window with the model that the bank was enrolled with",
        )
