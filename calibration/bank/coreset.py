"""Keeping a bank small: fewer references that still cover what was heard.

References are chosen farthest first (Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
Computer Science 38, 1985): each is the window farthest from those chosen before, so that no window is left farther
from a reference than twice the least that any choice of so many could reach. Rare states of the machine and the
scattered clips of a target domain stay; what goes are near copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd_edge.calibration.bank.bank import Bank, with_scorer
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import IndexArray, LeftOut
from asd_edge.calibration.scorers.registry import fit_scorer, require_scorer


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

    Windows that are left out keep counting for the threshold: they are normal windows of which the bank knows no copy.

    Args:
        bank: The bank.

    Returns:
        The smaller bank and what that cost; the same bank and none where there are few enough references, no threshold
        yet, or a scorer that does not compare with references.
    """
    most, references = bank.info.max_references, bank.references
    points = require_scorer(bank.info.scorer).points
    if most is None or points is None or len(references) <= most or not bank.ready:
        return bank, None
    kept = np.zeros(len(references), np.bool_)
    kept[farthest_first(points(references.embeddings), most)] = True
    fitted, scores = fit_scorer(bank.info.scorer, references, kept)
    out = LeftOut(references.timeline.at(np.flatnonzero(~kept)), scores[~kept])
    if bank.left_out is not None:
        timeline = bank.left_out.timeline.with_more(out.timeline)
        out = LeftOut(timeline, np.concatenate([bank.left_out.scores, out.scores]))
    smaller = with_scorer(bank.info, references.at(np.flatnonzero(kept)), fitted, scores[kept], out)
    return smaller, Reduction(
        references=len(references),
        kept=most,
        mean_before=_mean(bank),
        mean_after=_mean(smaller),
        threshold_before=bank.info.threshold or np.nan,
        threshold_after=smaller.info.threshold or np.nan,
    )


def farthest_first(z: FloatArray, count: int) -> IndexArray:
    """Choose rows that cover all others.

    Args:
        z: (rows, dim) points.
        count: The number of rows to choose, at most all.

    Returns:
        (count,) rows in the order of choice, which begins at the row nearest to the mean.
    """
    away = np.linalg.norm(z - z.mean(axis=0), axis=1)
    chosen = [int(away.argmin())]
    nearest = np.full(len(z), np.inf, z.dtype)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.linalg.norm(z - z[chosen[-1]], axis=1))
        nearest[chosen[-1]] = -1.0  # not twice, among copies either
        chosen.append(int(nearest.argmax()))
    return np.array(chosen, np.intp)


def _mean(bank: Bank) -> float:
    scores = bank.normal_scores
    return float(scores[np.isfinite(scores)].mean())
