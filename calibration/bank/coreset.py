"""Keeping scoring quick: fewer references that still cover what was heard.

References are chosen farthest first (Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
Computer Science 38, 1985): each is the window farthest from those chosen before, so that no window is left farther
from a reference than twice the least that any choice of so many could reach. Rare states of the machine and the
scattered clips of a target domain stay; what goes are near copies.

A threshold needs scores as windows get them that were never heard. Against the chosen references the enrolled windows
have no such scores: a chosen window is far from the others because it was chosen for that, and a window that was left
out is near to one because otherwise it would have been chosen. So windows are left out by tenths, references are chosen
among the others, and the tenth is scored against them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.bank import Bank, make_bank, with_scorer
from asd_edge.calibration.bank.sessions import sessions_of
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.moments import Moments
from asd_edge.calibration.contract.references import IndexArray, LeftOut, References
from asd_edge.calibration.scorers.registry import fit_scorer, require_scorer

HELD_WINDOWS = 1000
"""The most windows that are left out and still held, for later enrolments to choose from and to score again: the 90th
percentile of so many scores is known to one in a hundred."""
_CACHE_BYTES = 64 << 20
"""The memory for distances while references are chosen."""
_FOLDS = 10
"""The parts that are left out in turn: references chosen among nine tenths of the windows are nearly those of all."""


@dataclass(frozen=True)
class Reduction:
    """What it cost to keep fewer references: scores and thresholds before and after."""

    references: int
    """The number of references before."""
    kept: int
    """The number of references that were kept."""
    mean_before: float
    """The mean leave-one-out score of all normal windows before."""
    mean_after: float
    """The same mean afterwards."""
    threshold_before: float
    """The threshold at the 90th percentile before."""
    threshold_after: float
    """The same threshold afterwards."""


def reduce_bank(bank: Bank) -> tuple[Bank, Reduction | None]:
    """Keep as many references as the bank's `max_references` allows.

    They are chosen anew from all windows that are held, those included that an earlier enrolment left out. Windows that
    are left out keep counting: for mean and deviation, and for the threshold as normal windows of which the bank knows
    no copy.

    Args:
        bank: The bank.

    Returns:
        The bank with other references and what that cost; the same bank and none where there are few enough references,
        no threshold yet, or a scorer that does not compare with references.
    """
    most, references, out = bank.info.max_references, bank.references, bank.left_out
    points = require_scorer(bank.info.scorer).points
    held = 0 if out is None or out.held is None else len(out.held)
    if most is None or points is None or not bank.ready or (len(references) <= most and not held):
        return bank, None
    every = references if out is None else out.with_references(references)
    if len(every) <= most:  # more are wanted than before, and all that is held fits in
        if out is None or not out.forgotten_windows:
            return make_bank(bank.info, replace(every, others=None), None, bank.probe, bank.answered), None
        fitted, scores = fit_scorer(bank.info.scorer, every)
        again = _forgotten(out.scored_again(scores[len(references) :]))
        return with_scorer(bank, replace(every, others=None), fitted, scores, again), None
    sessions = sessions_of(every.timeline, bank.answered)
    fold = every.timeline.folds(_FOLDS) if sessions is None else sessions
    masks = np.concatenate([np.ones((1, len(every)), np.bool_), fold[None] != np.unique(fold)[:, None]])
    chosen, *without = farthest_first(points(every), masks, most)
    kept = _mask(chosen, len(every))
    fitted, _ = fit_scorer(bank.info.scorer, every, kept)
    scores = np.full(len(every), np.inf)
    for part, rows in zip(np.unique(fold), without, strict=True):
        _, apart = fit_scorer(bank.info.scorer, every, _mask(rows, len(every)))
        scores[fold == part] = apart[fold == part]
    if out is not None:
        out = out.scored_again(scores[len(references) :])
    goes = _left_out(every, len(references), scores, np.flatnonzero(~kept), out)
    smaller = with_scorer(bank, every.at(np.flatnonzero(kept)), fitted, scores[kept], goes)
    if len(references) <= most:
        return smaller, None
    return smaller, Reduction(
        references=len(references),
        kept=most,
        mean_before=_mean(bank),
        mean_after=_mean(smaller),
        threshold_before=bank.info.threshold or np.nan,
        threshold_after=smaller.info.threshold or np.nan,
    )


def _left_out(
    every: References, first: int, scores: NDArray[np.float64], rows: IndexArray, before: LeftOut | None
) -> LeftOut:
    """Put the windows together that are no references.

    Args:
        every: All windows that are held.
        first: The first of them that was left out before; those up to it were references.
        scores: (windows,) their scores.
        rows: Those of them that are left out.
        before: What was left out before, in the unit of the present scores; what it holds is the end of `every`.
    """
    forgotten = None if before is None else _forgotten(before)
    earlier = 0 if forgotten is None else len(forgotten.scores)
    old, new = rows[rows >= first], rows[rows < first]
    rows = np.concatenate([old, new])
    drawn = _drawn(len(old), len(new), earlier)
    stays, goes = rows[drawn], np.delete(rows, drawn)
    timeline, moments = every.timeline.at(np.concatenate([goes, stays])), every.others
    again = np.concatenate([scores[goes], scores[stays]])
    if len(goes):
        moved = Moments.of(every.embeddings[goes])
        if moments is not None:
            moments = moments.with_more(moved)
        elif not earlier:  # else nobody knows the moments of those before
            moments = moved
    if forgotten is not None:
        timeline = forgotten.timeline.with_more(timeline)
        again = np.concatenate([forgotten.scores, again])
    return LeftOut(timeline, again, every.at(stays), moments)


def _drawn(old: int, new: int, earlier: int) -> IndexArray:
    """Draw the windows that stay held, so that each that was ever left out is held with the same chance.

    Args:
        old: The number of windows to draw from that were left out before.
        new: The number of those that are left out now, which come after them.
        earlier: The number of windows that were left out before and are not held any more.

    Returns:
        The windows drawn, rising.
    """
    windows = old + new
    if windows <= HELD_WINDOWS:
        return np.arange(windows)
    rng = np.random.default_rng(windows + earlier)
    if not earlier:  # all were held, and there is no difference between old and new
        return np.sort(rng.choice(windows, HELD_WINDOWS, replace=False)).astype(np.intp)
    count = int(rng.hypergeometric(new, old + earlier, HELD_WINDOWS))
    count = min(new, max(count, HELD_WINDOWS - old))
    drawn = [rng.choice(old, HELD_WINDOWS - count, replace=False), old + rng.choice(new, count, replace=False)]
    return np.sort(np.concatenate(drawn)).astype(np.intp)


def _forgotten(out: LeftOut) -> LeftOut | None:
    """The part of what was left out whose embeddings are gone; none where there is none."""
    count = out.forgotten_windows
    return LeftOut(out.timeline.at(np.arange(count)), out.scores[:count], None, out.forgotten) if count else None


def farthest_first(z: FloatArray, masks: NDArray[np.bool_], count: int) -> list[IndexArray]:
    """Choose rows that cover all others, in several sets of rows at once: the points are gone through once for all.

    Args:
        z: (rows, dim) points.
        masks: (sets, rows) which rows are in each set.
        count: The number of rows to choose of each set, or all of a smaller one.

    Returns:
        The rows chosen of each set, in the order of choice, which begins at the row nearest to the mean of all.
    """
    points = z.astype(np.float64)
    points -= points.mean(axis=0)
    norms = np.einsum("nd,nd->n", points, points)
    sets = np.arange(len(masks))

    kept: dict[int, NDArray[np.float64]] = {}

    def squared_from(row: int) -> NDArray[np.float64]:
        """The squared distances of all points from one, which most sets choose sooner or later."""
        if row not in kept:
            if len(kept) * norms.nbytes > _CACHE_BYTES:
                kept.clear()
            kept[row] = np.maximum(norms[row] + norms - 2.0 * (points @ points[row]), 0.0)
        return kept[row]

    nearest = np.where(masks, np.inf, -np.inf)  # (sets, rows): the squared distance to the nearest that was chosen
    rows = np.where(masks, norms, np.inf).argmin(axis=1)
    chosen = [rows]
    for _ in range(min(count, len(z)) - 1):
        for each, row in enumerate(rows.tolist()):
            np.minimum(nearest[each], squared_from(row), out=nearest[each])
        nearest[sets, rows] = -np.inf  # not twice, among copies either
        rows = nearest.argmax(axis=1)
        chosen.append(rows)
    order = np.stack(chosen, axis=1).astype(np.intp)
    return [each[: min(count, size)] for each, size in zip(order, masks.sum(axis=1).tolist(), strict=True)]


def _mask(rows: IndexArray, count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return mask


def _mean(bank: Bank) -> float:
    scores = bank.normal_scores
    return float(scores[np.isfinite(scores)].mean())
