"""Local density normalisation: a distance counts relative to how far apart normal windows lie around there.

[LDN]: Wilkinghoff, Yang, Ebbers, Germain, Wichern, Le Roux, "Keeping the Balance: Anomaly Score Calculation for Domain
Generalization", ICASSP 2025, and "Local Density-Based Anomaly Score Normalization for Domain Generalization", 2025
(arXiv:2509.10951). With references y, the score of x is the smallest quotient of distances::

    score(x) = min_y  d(x, y) / (1/K sum_k d(y, y_k))       y_1 .. y_K: the K references nearest to y, without y

The denominators are fixed at enrolment and need no names of domains: where a domain has few, scattered references, a
distance to one of them says less. That holds for a strange window among the references, too: everything far from the
others is then near to it, in units of how strange it is. Listen to what is enrolled with this scorer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.references import IndexArray, References, Timeline
from asd_edge.calibration.scorers.nearest import ARRAYS, ROWS, NearestNeighbour
from asd_edge.calibration.scorers.normalisation import Normalisation, normalised
from asd_edge.calibration.scorers.scorer import ScorerSpec

NEIGHBOURS = 1
"""K, as it is set in the authors' published code (merlresearch/anomaly-score-normalization), and in their later work on
frozen embeddings (arXiv:2603.04605); larger neighbourhoods soon reach into other states of the machine."""
_COPY = 1e-6
"""The relative distance under which two float32 embeddings are the same sound twice, which says nothing of density."""


def fit(references: References, kept: NDArray[np.bool_] | None = None) -> tuple[NearestNeighbour, NDArray[np.float64]]:
    """Measure how far each reference is from its own nearest neighbours.

    Neighbours that share sound with a reference, or are copies of it, are passed over.

    Args:
        references: Normal windows.
        kept: (references,) which of them to compare with; all when left out. Mean and deviation are those of all.

    Returns:
        The scorer, and the score of each reference by a scorer that knows neither it nor what shares sound with it:
        denominators are formed without them, too.
    """
    kept = np.ones(len(references), np.bool_) if kept is None else kept
    normalisation = Normalisation.of(references.embeddings, references.others)
    z = normalisation.apply(references.embeddings).astype(np.float64)
    spread, scores = _spreads_and_scores(z, references.timeline, np.flatnonzero(kept))
    embeddings = references.embeddings[kept]
    return NearestNeighbour(embeddings, normalisation, spread.astype(np.float32)), scores


def _spreads_and_scores(
    z: NDArray[np.float64], timeline: Timeline, kept: IndexArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean distance of each of `kept` to its nearest neighbours among `kept`, and the scores of all windows."""
    norms = np.einsum("nd,nd->n", z, z)
    blocks = range(0, len(kept), ROWS)
    # So many of the nearest hold the neighbours of a reference whichever window is left out with what it overlaps.
    sharing = max(int(timeline.overlaps(kept[start : start + ROWS]).sum(axis=1).max()) for start in blocks)
    spreads = np.ones(len(kept))
    scores = np.full(len(z), np.inf)
    for start in blocks:
        rows = kept[start : start + ROWS]
        scale = norms[rows, None] + norms[None, :]
        squared = scale - 2.0 * (z[rows] @ z.T)
        distances = np.where(squared > _COPY**2 * scale, np.sqrt(np.maximum(squared, 0.0)), 0.0)
        distances[timeline.overlaps(rows)] = np.inf
        for offset, distance in enumerate(distances):
            neighbours = kept[(distance[kept] > 0.0) & np.isfinite(distance[kept])]
            candidates = _nearest_first(distance, neighbours, NEIGHBOURS + sharing)
            if len(candidates):  # else all others are copies, and the spread stays 1
                spreads[start + offset] = spread = distance[candidates[:NEIGHBOURS]].mean()
                distance = distance / _seen(spread, distance, candidates, timeline)  # noqa: PLW2901
            # Windows that share sound with the reference itself stay at infinity.
            scores = np.minimum(scores, distance)
    return spreads, scores


def _seen(
    spread: float, distance: NDArray[np.float64], candidates: IndexArray, timeline: Timeline
) -> NDArray[np.float64]:
    """A reference's spread as each window sees it when that window is left out, (windows,).

    Args:
        spread: The reference's spread when nothing is left out.
        distance: (windows,) the distance of each window from the reference.
        candidates: The reference's nearest neighbours, the nearest first.
        timeline: When each window was recorded.
    """
    seen = np.full(len(distance), spread)
    # Only who shares sound with one of the neighbours sees others in their place.
    touched = np.flatnonzero(timeline.overlaps(candidates[:NEIGHBOURS]).any(axis=0))
    others = np.where(timeline.overlaps(touched, candidates), np.inf, distance[candidates][None, :])
    without = np.sort(others, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    seen[touched] = np.where(np.isfinite(without), without, spread)
    return seen


def _nearest_first(distance: NDArray[np.float64], rows: IndexArray, count: int) -> IndexArray:
    if count < len(rows):
        rows = rows[np.argpartition(distance[rows], count - 1)[:count]]
    return rows[np.argsort(distance[rows], kind="stable")]


SPEC = ScorerSpec(
    "distance to the nearest normal window, relative to how far apart normal windows lie there",
    fit,
    NearestNeighbour.restore,
    points=normalised,
    arrays=ARRAYS,
)
