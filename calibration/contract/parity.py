"""How far a model is from another that it should equal: the proof that travels with it, and what a benchmark shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

MAX_ERROR_OVER_SPREAD = 0.02
"""What a lower precision may cost: the largest `Certificate.max_error_over_spread` ..."""
MAX_NEAREST_CHANGE = 0.02
"""... and the largest `Certificate.max_nearest_change`."""


@dataclass(frozen=True)
class Certificate:
    """Differences of embeddings from their reference, over several clips.

    A plain cosine flatters: embeddings of two different clips may already agree to 0.95. What a change costs shows
    against the spread of the embeddings and in the distances that scores are made of.
    """

    max_abs_error: float
    """The largest difference of one number of an embedding."""
    max_error_over_deviation: float
    """The largest difference relative to the mean deviation of a dimension over the clips."""
    min_cosine: float
    """The smallest cosine between a clip's two embeddings."""
    max_error_over_spread: float
    """The largest length of a clip's difference relative to its distance from the mean embedding."""
    max_nearest_change: float
    """The largest relative change of a clip's distance to its nearest neighbour among the others."""

    @classmethod
    def of(cls, found: NDArray[np.float32], reference: NDArray[np.float32]) -> Certificate:
        """Compare embeddings of the same clips.

        Args:
            found: (clips, dim) the embeddings in question; three clips or more.
            reference: (clips, dim) the embeddings that they should equal.
        """
        x, y = reference.astype(np.float64), found.astype(np.float64)
        tiny = float(np.finfo(np.float32).tiny)
        error = np.abs(y - x)
        spread = np.linalg.norm(x - x.mean(axis=0), axis=1)
        lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        before, after = _nearest(x), _nearest(y)
        return cls(
            max_abs_error=_rounded(error.max()),
            max_error_over_deviation=_rounded(error.max() / max(float(x.std(axis=0).mean()), tiny)),
            min_cosine=float(np.min(np.einsum("nd,nd->n", x, y) / np.maximum(lengths, tiny))),
            max_error_over_spread=_rounded(np.max(np.linalg.norm(y - x, axis=1) / np.maximum(spread, tiny))),
            max_nearest_change=_rounded(np.max(np.abs(after - before) / np.maximum(before, tiny))),
        )

    @property
    def within_limits(self) -> bool:
        """Whether a lower precision costs no more than it may; it does not where a difference is not a number."""
        return self.max_error_over_spread <= MAX_ERROR_OVER_SPREAD and self.max_nearest_change <= MAX_NEAREST_CHANGE

    def __str__(self) -> str:
        return f"error over spread {self.max_error_over_spread:g}, nearest change {self.max_nearest_change:g}"

    def to_dict(self) -> dict[str, float]:
        """The values by name, for the description of a model."""
        return asdict(self)


LIMITS = f"error over spread at most {MAX_ERROR_OVER_SPREAD:g}, nearest change at most {MAX_NEAREST_CHANGE:g}"
"""The limits in words, for messages."""


def _nearest(embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of each embedding to its nearest neighbour, (clips,)."""
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.asarray(distances.min(axis=1))


def _rounded(value: float | np.floating) -> float:
    """Keep three digits: the rest is noise of this computer's arithmetic."""
    return float(f"{value:.3g}")
