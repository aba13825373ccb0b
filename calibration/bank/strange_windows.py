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
from asd_edge.calibration.scorers.nearest import ROWS, nearest_others

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
"""Very strange windows hide others, as they are near to each other; so it is looked again without them."""
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
    z = _points(references.embeddings)
    usual = _usual(z, references.timeline)
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
        distances = _distances(z, references.timeline, part)
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
    rest: IndexArray = np.arange(count)
    for _ in range(_ROUNDS):
        if len(rest) < MIN_INDEPENDENT_WINDOWS:
            break
        odd = _standing_out(references.at(rest))
        if not odd.any() or count - len(rest) + odd.sum() > count / _MOST_STRANGE:
            break
        rest = rest[~odd]
    if len(rest) == count:
        return {}
    rest = _without_beside(references, rest)
    found = np.setdiff1d(np.arange(count), rest)
    z = _points(references.embeddings, of=references.embeddings[rest])
    usual = float(np.median(_to_nearest(z[rest], references.timeline.at(rest))))
    apart = {row: float(np.sqrt(np.square(z[rest] - z[row]).sum(axis=1).min())) for row in found.tolist()}
    return {row: far / usual for row, far in apart.items() if candidates[row]}


def _standing_out(references: References) -> NDArray[np.bool_]:
    """Which windows are far from all others, or from all that were heard at another time, (references,)."""
    z = _points(references.embeddings)
    alone, at_other_times = _to_nearest(z, references.timeline), _to_nearest(z, _episodes(references.timeline))
    return _far(alone) | _far(at_other_times)


def _without_beside(references: References, rest: IndexArray) -> IndexArray:
    """The rest without windows right beside strange ones that are far, too, as a passing sound swells and fades."""
    z = _points(references.embeddings, of=references.embeddings[rest])
    timeline = references.timeline
    distances = _to_nearest(z[rest], _episodes(timeline).at(rest))
    distances = np.where(np.isfinite(distances), distances, 0.0)
    high = rest[distances >= STRANGE_TIMES * np.median(distances)]
    beside = replace(_one_after_the_other(timeline), window_s=0.0, reach_s=max(timeline.hop_s, timeline.window_s) * 1.5)
    while True:
        strange_now = np.setdiff1d(np.arange(len(references)), rest)
        more = np.intersect1d(high, rest)
        more = more[beside.overlaps(more, strange_now).any(axis=1)]
        if not len(more):
            return rest
        rest = np.setdiff1d(rest, more)


def _episodes(timeline: Timeline) -> Timeline:
    """The timeline by which windows depend on each other that one passing sound may be in."""
    heard_s = len(timeline.starts_s) * timeline.hop_s
    return replace(_one_after_the_other(timeline), reach_s=min(EPISODE_S, heard_s / _MOST_OF_ALL))


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


def _to_nearest(z: NDArray[np.float64], timeline: Timeline) -> NDArray[np.float64]:
    """The distance of each point to the nearest that does not depend on it by a timeline, (windows,)."""
    return np.asarray(nearest_others(z, timeline, [np.ones(len(z), np.bool_)])[0])


def _points(embeddings: FloatArray, of: FloatArray | None = None) -> NDArray[np.float64]:
    """Embeddings (windows, dim) in the deviations of their dimensions, which strange windows hardly change.

    Args:
        embeddings: The windows.
        of: (windows, dim) the windows that the deviations are those of; all when left out.
    """
    values = (embeddings if of is None else of).astype(np.float64)
    low, middle, high = np.quantile(values, [_TRIMMED, 0.5, 1.0 - _TRIMMED], axis=0)
    deviation = np.clip(values, low, high).std(axis=0)
    least = 8.0 * np.finfo(np.float32).eps * np.abs(middle)
    deviation = np.where(deviation > least, deviation, values.std(axis=0))  # it varies in few windows only
    deviation[deviation <= least] = 1.0
    return np.asarray((embeddings - middle) / deviation)


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
        distances = _distances(z, timeline, sampled[start : start + ROWS])
        same = distances < _SAME * np.median(distances, axis=1, keepdims=True)
        others = np.where(same, np.inf, distances)
        found.append(np.partition(others, _USUAL_RANK - 1, axis=1)[:, _USUAL_RANK - 1])
    usual = np.concatenate(found)
    usual = usual[np.isfinite(usual)]
    return float(np.median(usual)) if len(usual) else 0.0


def _distances(z: NDArray[np.float64], timeline: Timeline, rows: IndexArray) -> NDArray[np.float64]:
    """The distances of some windows to all, (rows, references); infinite to those that share sound."""
    norms = np.einsum("nd,nd->n", z, z)
    squared = norms[rows, None] - 2.0 * (z[rows] @ z.T) + norms
    distances = np.sqrt(np.maximum(squared, 0.0))
    distances[timeline.overlaps(rows)] = np.inf
    return np.asarray(distances)
