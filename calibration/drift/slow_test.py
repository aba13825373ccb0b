"""Whether the sound moves slowly, over days: its mean over the latest day against that of the first day it was heard.

Means of whole days are compared, so that day and night do not count. A day is 24 spans (`history`). The shift is
measured in deviations of single windows on the first day, as the root mean square over the dimensions, and without the
share that chance has in it: the product of what odd and what even spans say has none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

DAY = 24
"""So many spans are a day."""
TOLERATED = 0.2
"""A smaller shift, in deviations, is not told. One of .2 in all dimensions raises the distance to the nearest of a
hundred normal windows by about .4 of the deviation of such distances."""
_AGAIN = 2.0
"""It is told again when the shift has become so many times as large."""
_LINE = 0.5
"""So much of how the spans lie along the way must be explained by a straight line: what comes and goes is no drift."""


class SlowTest:
    """Compares the latest day with the first.

    Args:
        dimensions: The length of an embedding.

    Attributes:
        told: The shift that was told last, in deviations; 0 where none was.
    """

    def __init__(self, dimensions: int) -> None:
        self._halves: NDArray[np.float64] = np.zeros((2, dimensions))
        self._windows: NDArray[np.float64] = np.zeros((2, dimensions))
        self.restart()

    def restart(self) -> None:
        """Begin with another first day."""
        self._halves[:] = 0.0
        self._windows[:] = 0.0
        self._counted = self._first_spans = 0
        self.told = 0.0

    @property
    def first(self) -> FloatArray | None:
        """(dim,) the mean of the first day as far as it was heard; none before its first span."""
        return np.asarray(self._halves.sum(axis=0) / self._first_spans, np.float32) if self._first_spans else None

    def add_window(self, z: FloatArray) -> None:
        """Take the next window: on the first day the deviations of windows are measured."""
        if self._first_spans < DAY:
            self._windows[0] += z
            self._windows[1] += np.square(z)
            self._counted += 1

    def add_span(self, spans: FloatArray) -> float | None:
        """Take the latest spans, (spans, dim), of which the last has just ended.

        Returns:
            The shift in deviations, where it is slow and to be told; else none.
        """
        if self._first_spans < DAY:
            self._halves[self._first_spans % 2] += spans[-1]
            self._first_spans += 1
            return None
        if len(spans) < 2 * DAY:
            return None
        mean, squares = self._windows / self._counted
        deviations = np.sqrt(np.maximum(squares - mean**2, np.finfo(np.float32).eps * (squares + 1e-30)))
        latest = spans[-DAY:].astype(np.float64)
        halves = np.stack([latest[::2].mean(axis=0), latest[1::2].mean(axis=0)])
        apart = (halves - self._halves / (DAY / 2)) / deviations
        size = float(np.sqrt(max(0.0, np.mean(apart[0] * apart[1]))))
        if size < max(TOLERATED, _AGAIN * self.told):
            return None
        way = apart.mean(axis=0)
        if not _steadily((spans / deviations) @ (way / np.linalg.norm(way))):
            return None
        self.told = size
        return size


def _steadily(along: NDArray[np.float64]) -> bool:
    """Whether a course of values rises along a line rather than in one step or to and fro.

    Args:
        along: (spans,) where each span lies on the way.
    """
    count = len(along)
    total = float(np.square(along - along.mean()).sum())
    line = float(np.square(along - np.polyval(np.polyfit(np.arange(count), along, 1), np.arange(count))).sum())
    sums, squares = np.cumsum(along)[:-1], np.cumsum(np.square(along))[:-1]
    before = np.arange(1, count)
    after = count - before
    rest, rest_squares = along.sum() - sums, np.square(along).sum() - squares
    step = float((squares - sums**2 / before + rest_squares - rest**2 / after).min())
    return line <= (1.0 - _LINE) * total and line < step
