"""Windows among the enrolled that do not sound like the rest, and windows that are the same sound twice.

Both spoil what is learned: a strange window sets thresholds and deviations for all others, and a copy makes the normal
scores too small. They are looked for in the distance of each window to its nearest other one, measured as the scorer
`nearest` does, but by deviations on which few windows have no hold.

A sound that came once and lasted for several windows, such as a truck that passes by, has a near neighbour in itself.
So windows are looked at twice: compared with all others, and with those alone that were heard more than `EPISODE_S`
before or after. What comes back at another time belongs to the machine or to its place, and is not strange.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import IndexArray, References, Timeline
from asd_edge.calibration.scorers.nearest import ROWS

EPISODE_S = 60.0
"""How long a passing sound may last in seconds; a minute is six windows at the default hop."""
_MOST_OF_ALL = 4
"""An episode is at most this part of all that was heard on each side of a window, so that half of it is compared."""
STRANGE_TIMES = 2.0
"""A strange window is at least so many times as far from its nearest other one as is usual."""
_STRANGE_DEVIATIONS = 4.5
"""And its distance, as a logarithm, lies at least so many deviations above the median: where distances differ much, as
of a machine with a changing load, twice the usual one is nothing strange."""
_FEW = 5.0
"""With so few windows twice as many deviations are asked for, as the deviation is hardly known."""
_QUANTILE, _OF_NORMAL = 0.8, 0.8416
"""A quantile of the distances, and of a normal distribution in deviations, tells the scatter: strange windows hardly
move it while they are fewer than a fifth."""
_TRIMMED = 0.1
"""The part of the lowest and of the highest values of a dimension that do not widen its deviation: by the deviation of
all, one passing sound would make all others look alike, and itself usual."""
_MOST_STRANGE = 5
"""When more than this part of all windows stands out, no few of them do."""
_ROUNDS = 5
"""Very strange windows hide others that are near to them; so it is looked again without them."""
COPY_SHARE = 0.2
"""A copy is nearer than this part of the usual distance, and of the distance to the next window that is none. Of real
and simulated normal sound no two windows came nearer than 0.44, a copy of another bit depth 0.01, one that is half as
loud 0.25. What is coded with loss, as in MP3, is another sound to a model (0.4 to 2), and no copy."""
_SAME = 1e-3
"""Nearer than this part of the usual distance, two windows are the same up to rounding."""
_OTHER_FORMS = 2
"""Of one sound there may be so many other forms, such as another bit depth; many windows that are near to each other
and far from all others are a steady state, such as a machine at rest."""
_USUAL_RANK = 3
"""The usual distance of windows is that to the third nearest, so that up to two other forms do not hide it."""
_GROUP = 20
"""The number of neighbours of a window that are looked at; larger groups of copies come together by their parts."""
_MOST_SAMPLED = 1000
"""The usual distance is measured on at most so many windows."""


def copies(references: References, candidates: NDArray[np.bool_]) -> dict[int, int]:
    """Find windows that are the same sound as one before.

    Args:
        references: Windows in the order in which they were heard. Windows that share sound are no copies.
        candidates: (references,) which of them may be called a copy of another.

    Returns:
        The row of each copy with the row of the first window of the same sound, rising.
    """
    count = len(references)
    if count <= _USUAL_RANK:
        return {}
    z, timeline = _points(references.embeddings), replace(references.timeline, reach_s=0.0)
    usual = _usual(z, timeline)
    near = COPY_SHARE * usual
    parent = np.arange(count)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    rows = np.flatnonzero(candidates)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        distances = _to_others(z, timeline, part)
        closest = np.argpartition(distances, min(_GROUP, count - 1), axis=1)[:, : _GROUP + 1]
        for row, around, all_of in zip(part.tolist(), closest, distances, strict=True):
            others = around[np.argsort(all_of[around], kind="stable")]
            rising = all_of[others]
            exact = int(np.count_nonzero(rising < _SAME * usual))
            gaps = np.flatnonzero((rising[:-1] < COPY_SHARE * rising[1:]) & (rising[:-1] < near)) + 1
            same = max([exact, *gaps[gaps <= exact + _OTHER_FORMS].tolist()])
            for other in others[:same].tolist():
                first, second = sorted((root(row), root(other)))
                parent[second] = first
    return {row: root(row) for row in rows.tolist() if root(row) != row}


def strange(references: References, candidates: NDArray[np.bool_]) -> dict[int, float]:
    """Find windows that do not sound like the rest.

    Args:
        references: Windows in the order in which they were heard, none of them a copy of another.
        candidates: (references,) which of them may be called strange.

    Returns:
        The row of each strange window, rising, with how many times as far it is from the nearest window of the rest
        as those are from each other.
    """
    count = len(references)
    if count < MIN_INDEPENDENT_WINDOWS:
        return {}
    nearest = _Nearest(references)
    for _ in range(_ROUNDS):
        odd = nearest.rest[_far(nearest.distances(_ALONE)) | _far(nearest.distances(_AT_OTHER_TIMES))]
        left = len(nearest.rest) - len(odd)
        if not len(odd) or count - left > count / _MOST_STRANGE:
            break
        nearest.leave_out(odd)
    if len(nearest.rest) == count:
        return {}
    nearest.leave_out(nearest.beside_those_left_out())
    usual = float(np.median(nearest.distances(_ALONE)))
    found = np.setdiff1d(np.arange(count), nearest.rest)
    return {row: nearest.to_rest(row) / usual for row in found.tolist() if candidates[row]}


_ALONE, _AT_OTHER_TIMES = 0, 1
"""The two ways in which windows are compared: with all others, and with those that were heard at another time."""


class _Nearest:
    """The distance of each window to the nearest of the rest, of which strange ones are left out by and by.

    Args:
        references: The windows.

    Attributes:
        rest: (rows,) the windows that were not left out.
    """

    def __init__(self, references: References) -> None:
        timeline = references.timeline
        self._z = _points(references.embeddings)
        self._axis = _one_after_the_other(timeline)
        heard_s = len(references) * timeline.hop_s
        episode_s = min(EPISODE_S, heard_s / _MOST_OF_ALL)
        self._timelines = (timeline, replace(self._axis, reach_s=max(episode_s, timeline.reach_s)))
        self.rest: IndexArray = np.arange(len(references))
        self._distances = np.empty((2, len(references)))
        self._rows: NDArray[np.intp] = np.empty((2, len(references)), np.intp)
        self._compare(self.rest)

    def distances(self, way: int) -> NDArray[np.float64]:
        """The distances of the rest to each other, (rest,); infinite where nothing is left to compare with."""
        return np.asarray(self._distances[way, self.rest])

    def leave_out(self, rows: IndexArray) -> None:
        """Leave windows out; those that they were nearest to are compared again."""
        self.rest = np.setdiff1d(self.rest, rows)
        self._compare(self.rest[np.isin(self._rows[:, self.rest], rows).any(axis=0)])

    def to_rest(self, row: int) -> float:
        """The distance of a window to the nearest of the rest."""
        return float(np.sqrt(np.square(self._z[self.rest] - self._z[row]).sum(axis=1).min()))

    def beside_those_left_out(self) -> IndexArray:
        """The rows right beside strange windows that are far, too: a passing sound swells and fades."""
        distances = self.distances(_AT_OTHER_TIMES)
        distances = np.where(np.isfinite(distances), distances, 0.0)
        high = self.rest[distances >= STRANGE_TIMES * np.median(distances)]
        step_s = max(self._axis.hop_s, self._axis.window_s)
        touching = replace(self._axis, window_s=0.0, reach_s=1.5 * step_s)
        strange_so_far = np.setdiff1d(np.arange(len(self._z)), self.rest)
        beside: IndexArray = np.empty(0, np.intp)
        while True:
            more = high[touching.overlaps(high, strange_so_far).any(axis=1)]
            if not len(more):
                return beside
            beside, strange_so_far, high = np.union1d(beside, more), more, np.setdiff1d(high, more)

    def _compare(self, rows: IndexArray) -> None:
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            apart = _distances(self._z, part, self.rest)
            for way, timeline in enumerate(self._timelines):
                apart[timeline.overlaps(part, self.rest)] = np.inf  # the second leaves out all that the first does
                at = apart.argmin(axis=1)
                self._rows[way, part] = self.rest[at]
                self._distances[way, part] = apart[np.arange(len(part)), at]


def _far(distances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which distances are far above the usual one, (windows,)."""
    known = np.isfinite(distances)
    usual = float(np.median(distances[known])) if known.any() else 0.0
    if usual <= 0.0:
        return np.zeros(len(distances), np.bool_)
    heights = np.log(np.maximum(np.where(known, distances, usual) / usual, np.finfo(np.float64).tiny))
    deviation = float(np.quantile(heights[known], _QUANTILE)) / _OF_NORMAL
    asked = _STRANGE_DEVIATIONS * (1.0 + _FEW / len(distances)) * deviation
    return np.asarray(heights >= max(np.log(STRANGE_TIMES), asked))


def _points(embeddings: FloatArray) -> NDArray[np.float64]:
    """Embeddings (windows, dim) in the deviations of their dimensions, which strange windows hardly change."""
    values = embeddings.astype(np.float64)
    low, middle, high = np.quantile(values, [_TRIMMED, 0.5, 1.0 - _TRIMMED], axis=0)
    deviation = np.clip(values, low, high).std(axis=0)
    least = 8.0 * np.finfo(np.float32).eps * np.abs(middle)
    deviation = np.where(deviation > least, deviation, values.std(axis=0))  # it varies in few windows only
    deviation[deviation <= least] = 1.0
    return np.asarray((values - middle) / deviation)


def _one_after_the_other(timeline: Timeline) -> Timeline:
    """The timeline with the recordings that go on from each other joined.

    A recording as long as an episode is taken to go on in the one that was heard after it, as files of a minute each
    do. Shorter ones are clips, and their order says nothing.
    """
    recordings, starts_s = timeline.recordings.copy(), timeline.starts_s.copy()
    axis, ends_s, goes_on = -1, 0.0, False
    for number in np.unique(timeline.recordings):
        rows = timeline.recordings == number
        begins_s, last_s = timeline.starts_s[rows].min(), timeline.starts_s[rows].max()
        length_s = float(last_s - begins_s) + timeline.window_s
        if not goes_on:
            axis, ends_s = axis + 1, 0.0
        recordings[rows] = axis
        starts_s[rows] += ends_s - begins_s
        ends_s += length_s
        goes_on = length_s >= EPISODE_S - timeline.hop_s / 2.0
    return replace(timeline, recordings=recordings, starts_s=starts_s)


def _usual(z: NDArray[np.float64], timeline: Timeline) -> float:
    """The usual distance of a window to others that are not the same sound."""
    count = len(z)
    sampled = np.unique(np.linspace(0, count - 1, min(count, _MOST_SAMPLED)).astype(np.intp))
    found = []
    for start in range(0, len(sampled), ROWS):
        distances = _to_others(z, timeline, sampled[start : start + ROWS])
        same = distances < _SAME * np.median(distances, axis=1, keepdims=True)
        others = np.where(same, np.inf, distances)
        found.append(np.partition(others, _USUAL_RANK - 1, axis=1)[:, _USUAL_RANK - 1])
    usual = np.concatenate(found)
    usual = usual[np.isfinite(usual)]
    return float(np.median(usual)) if len(usual) else 0.0


def _distances(z: NDArray[np.float64], rows: IndexArray, columns: IndexArray | slice) -> NDArray[np.float64]:
    """The distances of some windows to others, (rows, columns)."""
    norms = np.einsum("nd,nd->n", z, z)
    squared = norms[rows, None] - 2.0 * (z[rows] @ z[columns].T) + norms[columns]
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _to_others(z: NDArray[np.float64], timeline: Timeline, rows: IndexArray) -> NDArray[np.float64]:
    """The distances of some windows to all, (rows, references); infinite to those that depend on them."""
    distances = _distances(z, rows, slice(None))
    distances[timeline.overlaps(rows)] = np.inf
    return distances
