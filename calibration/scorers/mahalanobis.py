"""The Mahalanobis distance to normal sound, with a shrunk covariance: it exists however few references there are.

Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
Analysis 88 (2004): with S the covariance of n references of d dimensions, the estimate is::

    (1 - delta) S + delta trace(S) / d I

and delta follows from the references: near 1 where they are few, near 0 where they are many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.array_kind import ArrayKind
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers import normalisation
from asd_edge.calibration.scorers.domain_wise import DomainWise
from asd_edge.calibration.scorers.scorer import ScorerSpec

_LEAST_VARIANCE = 1e-6
"""The least variance of a direction, where that of a whole embedding dimension is 1: the last digits of float32."""


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """The mean and covariance of one domain."""

    centre: FloatArray
    """(dim,): the mean of the normalised embeddings."""
    whitening: FloatArray
    """(dim, dim): the matrix W for which W^T W is the inverse of the covariance."""

    def distances(self, z: NDArray[Any]) -> NDArray[Any]:
        """The Mahalanobis distances of normalised embeddings: (windows, dim) to (windows,)."""
        return np.asarray(np.linalg.norm((z - self.centre) @ self.whitening.T, axis=1))


def fit_mahalanobis(z: NDArray[np.float64], timeline: Timeline) -> tuple[Mahalanobis, NDArray[np.float64]]:
    """Learn the mean and covariance of one domain.

    Args:
        z: (references, dim) normalised embeddings.
        timeline: When each reference was recorded.

    Returns:
        The summary, and each reference's distance to the mean and covariance of those that do not share sound with
        it, infinite where there is no spread left. That is exact but for delta, which stays the one of all references.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # only fitting needs it

    centre = z.mean(axis=0)
    centred = z - centre
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    variances, directions = np.linalg.eigh(centred.T @ centred / len(z))
    variances = np.maximum(variances, 0.0)
    shrunk = (1.0 - shrinkage) * variances + max(shrinkage * float(variances.mean()), _LEAST_VARIANCE)
    whitening = directions.T / np.sqrt(shrunk)[:, None]
    summary = Mahalanobis(centre.astype(np.float32), whitening.astype(np.float32))
    return summary, _leave_one_out(centred @ directions, variances, shrinkage, timeline)


def _leave_one_out(
    p: NDArray[np.float64], variances: NDArray[np.float64], shrinkage: float, timeline: Timeline
) -> NDArray[np.float64]:
    """Distances without refitting: the covariance that is left differs by as many directions as windows are left out.

    In the eigenvectors' coordinates the covariance is diagonal. Leaving out the m rows P of n moves the mean by
    ``-s / (n - m)``, s the sum of the rows, and with ``V = [P; s / sqrt(n - m)]`` it leaves the scatter
    ``n diag(variances) - V^T V``. The shrunk covariance of the rest is then ``diag(b) - a V^T V``, whose inverse the
    Woodbury identity gives through a matrix of size m + 1.

    Args:
        p: (references, dim) centred references in the eigenvectors' coordinates.
        variances: (dim,) the variance of the references along each eigenvector, not shrunk.
        shrinkage: The delta of the estimate.
        timeline: When each reference was recorded.
    """
    count, dim = p.shape
    # References span no more directions than there are of them.
    used = slice(max(0, dim - count), dim)
    p, trace, variances = p[:, used], float(variances.sum()), variances[used]
    distances = np.full(count, np.inf)
    for row in range(count):
        out = np.flatnonzero(timeline.overlaps(np.array([row]))[0])
        left = count - len(out)
        if left < 2:
            continue
        moved = p[out].sum(axis=0)
        v = np.vstack([p[out], moved / np.sqrt(left)])
        a = (1.0 - shrinkage) / left
        trace_left = (count * trace - float((v * v).sum())) / left
        b = a * count * variances + max(shrinkage * trace_left / dim, _LEAST_VARIANCE)
        x = p[row] + moved / left
        v_b = v / b
        inner = v_b @ x
        squared = x @ (x / b) + a * inner @ np.linalg.solve(np.eye(len(v)) - a * v_b @ v.T, inner)
        distances[row] = np.sqrt(squared)
    return distances


def fit(references: References) -> tuple[DomainWise, NDArray[np.float64]]:
    """Learn the mean and covariance of each domain; see `DomainWise.fit`."""
    return DomainWise.fit(references, fit_mahalanobis)


ARRAYS = {
    **normalisation.ARRAYS,
    "centre_#": ArrayKind(np.float32, ("dim",), beside="whitening_#"),
    "whitening_#": ArrayKind(np.float32, ("dim", "dim")),
}
"""The arrays that a bank keeps of a `DomainWise` scorer of `Mahalanobis` summaries."""
SPEC = ScorerSpec(
    "Mahalanobis distance to normal sound, the nearer of its domains",
    fit,
    lambda arrays, _: DomainWise.restore(arrays, Mahalanobis),
    arrays=ARRAYS,
    sklearn=True,
)
