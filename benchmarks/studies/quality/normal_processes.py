"""Normal sound as a random process of which everything is known, as embeddings: five kinds, with and without memory."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.settings import Setting

WindowsEnrolled = Annotated[
    tuple[int, ...],
    Setting("The number of windows enrolled; the option can be repeated.", at_least=10, at_most=100_000),
]
Correlations = Annotated[
    tuple[float, ...],
    Setting(
        "The correlation of the scores of windows that follow each other; the option can be repeated.",
        option="--correlation",
        at_least=0.0,
        at_most=0.9,
    ),
]
KINDS = {
    "5 factors": "Gaussian, ruled by 5 factors",
    "20 factors": "Gaussian, ruled by 20 factors",
    "isotropic": "Gaussian, every dimension by itself",
    "heavy tails": "20 factors whose size varies as in a t distribution of 4 degrees of freedom",
    "3 states": "5 factors around one of three states",
}
DIMENSIONS = 381
"""The length of an embedding of `logmel`."""
_NOISE = 0.7
"""The deviation of each dimension by itself, where the factors together have about 1."""
_FACTORS = {"5 factors": 5, "20 factors": 20, "isotropic": 0, "heavy tails": 20, "3 states": 5}
_FREEDOM = 4


class NormalProcess:
    """One machine: a stationary process of embeddings.

    Args:
        kind: One of `KINDS`.
        seed: The seed of the machine and of everything that it does.
        memory: The correlation of an embedding with the one a window later, 0 to 1. That of the scores is about its
            square.
    """

    def __init__(self, kind: str, seed: int, memory: float = 0.0) -> None:
        self._kind, self._memory = kind, memory
        self._rng = np.random.default_rng(seed)
        factors = _FACTORS[kind]
        self._loadings = self._rng.standard_normal((factors, DIMENSIONS)) / np.sqrt(max(factors, 1))
        self._states = self._rng.standard_normal((3, DIMENSIONS))

    def windows(self, count: int) -> FloatArray:
        """A stretch of so many windows, (windows, dim)."""
        own = self._stationary(count, DIMENSIONS)
        if self._kind == "isotropic":
            return np.asarray(own, np.float32)
        values = self._stationary(count, len(self._loadings)) @ self._loadings + _NOISE * own
        if self._kind == "heavy tails":
            values *= np.sqrt(_FREEDOM / np.square(self._stationary(count, _FREEDOM)).sum(axis=1, keepdims=True))
        if self._kind == "3 states":
            values += self._states[self._chain(count)]
        return np.asarray(values, np.float32)

    def direction(self) -> FloatArray:
        """A random direction of length 1, in which sound may be shifted, (dim,)."""
        direction = self._rng.standard_normal(DIMENSIONS)
        return np.asarray(direction / np.linalg.norm(direction), np.float32)

    def _stationary(self, count: int, dimensions: int) -> NDArray[np.float64]:
        """A Gaussian process of first order with variance 1 in each dimension, (windows, dimensions)."""
        noise = self._rng.standard_normal((count, dimensions))
        if not self._memory:
            return noise
        from scipy.signal import lfilter

        begins = self._memory * self._rng.standard_normal((1, dimensions))
        found, _ = lfilter([np.sqrt(1.0 - self._memory**2)], [1.0, -self._memory], noise, axis=0, zi=begins)
        return np.asarray(found)

    def _chain(self, count: int) -> NDArray[np.intp]:
        """The state at each window: it stays with the chance of the memory, or is drawn anew."""
        drawn = self._rng.integers(0, len(self._states), count)
        anew = np.flatnonzero(np.append(True, self._rng.random(count - 1) >= self._memory))
        return np.repeat(drawn[anew], np.diff(np.append(anew, count)))
