"""Whether all bands became louder or quieter by the same decibels, as they do where a gain changes and nowhere else.

A machine that becomes louder does so in some bands more than in others, and the noise of its surroundings stays. So the
shift of most bands must be alike, it must last, and it must lie far outside what the level of single windows does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

LEAST_DB = 3.0
"""A smaller shift is not told: half of the power, which a hand or a cloth before the microphone takes too."""
_ALIKE_DB = 1.5
"""Bands are alike whose shifts differ by no more from the middle one."""
_ALIKE_SHARE = 0.75
"""So many bands must be alike: those at either end may hold nothing but noise of the converter, and a load may move
some."""
_DEVIATIONS = 4.0
"""The shift of each single window lies at least half as many deviations of the level away from before; of a machine
whose level goes up and down by itself, only a larger one is told."""
_LASTS_S = 180.0
"""So long must the shift last in every window, which is longer than a work step beside the machine."""
_LEAST_WINDOWS, _MOST_WINDOWS = 6, 360
"""So many windows at least, and at most, are looked at."""
_LEAST_FOR_REASON = 6
"""After so many windows it is said as the likely reason of an alarm."""
_LEARNED_S = 1800.0
"""Where the bank does not know its levels, they are learned for so long."""


class LevelTest:
    """Compares the levels of bands with those of the bank.

    Args:
        bank_db: (bands,) the mean levels of the bank's bands; empty where it does not know them.
        deviation_db: The deviation of the level of single windows in the bank; none where it does not know it.
        hop_s: The time from one window to the next in seconds.

    Attributes:
        shift_db: By how many decibels the sound is louder than the bank's, as it was told last.
    """

    def __init__(self, bank_db: Sequence[float], deviation_db: float | None, hop_s: float) -> None:
        self._bank: NDArray[np.float64] | None = np.asarray(bank_db, np.float64) if len(bank_db) else None
        self._deviation = deviation_db
        self._count = min(max(_LEAST_WINDOWS, math.ceil(_LASTS_S / hop_s)), _MOST_WINDOWS)
        self._recent: NDArray[np.float64] = np.zeros((self._count, 0))
        self._learned = math.ceil(_LEARNED_S / hop_s)
        self._sum: NDArray[np.float64] = np.zeros(0)
        self._squares = 0.0
        self._windows = 0
        self.shift_db = 0.0

    @property
    def knows_bank(self) -> bool:
        """Whether there are levels to compare with."""
        return self._bank is not None

    def add(self, levels_db: FloatArray) -> float | None:
        """Take the levels of the next window, (bands,).

        Returns:
            By how many decibels the sound is now louder than the bank's, where that changed for good; else none.
        """
        levels = levels_db.astype(np.float64)
        if self._recent.shape[1] != len(levels):
            self._recent = np.zeros((self._count, len(levels)))
        self._recent[self._windows % self._count] = levels
        self._windows += 1
        if self._bank is None:
            self._learn(levels)
            return None
        if self._windows < self._count:
            return None
        found = self._common_shift(self._recent)
        if found is None:
            return None
        self.shift_db += found
        if abs(self.shift_db) < LEAST_DB / 2.0:
            self.shift_db = 0.0  # as loud again
        return self.shift_db

    def shift_now(self) -> float | None:
        """The shift against the bank of the latest few windows, where they agree on one."""
        if self._bank is None or self._windows < _LEAST_FOR_REASON:
            return None
        rows = [(self._windows - 1 - back) % self._count for back in range(_LEAST_FOR_REASON)]
        found = self._common_shift(self._recent[rows])
        return self.shift_db + found if found is not None else self.shift_db or None

    def _common_shift(self, recent: NDArray[np.float64]) -> float | None:
        """By how much all bands of all these windows lie above what was told last; none where they do not agree."""
        if self._bank is None:
            return None
        apart = recent - (self._bank + self.shift_db)
        mean = apart.mean(axis=0)
        middle = float(np.median(mean))
        single = apart.mean(axis=1) * np.sign(middle)
        deviation = 0.0 if self._deviation is None else self._deviation
        far = max(LEAST_DB, _DEVIATIONS * deviation)
        alike = float(np.mean(np.abs(mean - middle) <= _ALIKE_DB))
        return middle if abs(middle) >= far and single.min() >= far / 2.0 and alike >= _ALIKE_SHARE else None

    def _learn(self, levels: NDArray[np.float64]) -> None:
        """Take the first windows for what is usual."""
        self._sum = levels + (self._sum if len(self._sum) else 0.0)
        self._squares += float(levels.mean()) ** 2
        if self._windows >= self._learned:
            mean = self._sum / self._windows
            self._bank = mean
            self._deviation = math.sqrt(max(0.0, self._squares / self._windows - float(mean.mean()) ** 2))
