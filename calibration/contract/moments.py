"""Mean and spread of embeddings that are not at hand any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Moments:
    """What is left of embeddings when mean and deviation are to be known, and the embeddings themselves are not.

    Moments of several sets are combined exactly (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances", COMPSTAT 1982), in doubles.
    """

    count: int
    """The number of embeddings."""
    mean: NDArray[np.float64]
    """(dim,): the mean of each dimension."""
    squares: NDArray[np.float64]
    """(dim,): the sum of the squared differences from the mean."""

    @classmethod
    def of(cls, embeddings: NDArray[Any]) -> Moments:
        """Measure embeddings (windows, dim), at least one."""
        values = embeddings.astype(np.float64)
        mean = values.mean(axis=0)
        return cls(len(values), mean, np.square(values - mean).sum(axis=0))

    @property
    def deviation(self) -> NDArray[np.float64]:
        """The deviation of each dimension, (dim,)."""
        return np.asarray(np.sqrt(self.squares / self.count))

    def with_more(self, other: Moments) -> Moments:
        """The moments of the embeddings of both."""
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        return Moments(count, mean, self.squares + other.squares + apart**2 * (self.count * other.count / count))

    def without(self, part: Moments) -> Moments:
        """The moments of what is left where a smaller part is taken away.

        Rounding could leave a sum of squares below 0; it is then 0.
        """
        count = self.count - part.count
        mean = (self.count * self.mean - part.count * part.mean) / count
        apart = (part.mean - mean) ** 2 * (part.count * count / self.count)
        return Moments(count, mean, np.maximum(self.squares - part.squares - apart, 0.0))
