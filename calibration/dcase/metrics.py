"""The measures of DCASE Task 2: AUC, partial AUC and their harmonic mean Ω."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asd_edge.calibration.errors import InputError

PAUC_MAX_FPR = 0.1
"""The challenge's p: only false positive rates up to 10 % count."""


def roc_curve(normal: ArrayLike, anomaly: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The receiver operating characteristic from (0, 0) to (1, 1), with one point for each distinct score.

    Args:
        normal: The scores of normal clips, at least one.
        anomaly: The scores of anomalous clips, at least one.

    Returns:
        The false positive rates and the true positive rates, both rising.

    Raises:
        InputError: There are no scores of one kind, or a score is not finite: it has no rank among the others.
    """
    normal, anomaly = _sorted(normal, "normal"), _sorted(anomaly, "anomalous")
    thresholds = np.unique(np.concatenate([normal, anomaly]))[::-1]
    false_positives = len(normal) - np.searchsorted(normal, thresholds, side="left")
    true_positives = len(anomaly) - np.searchsorted(anomaly, thresholds, side="left")
    return (
        np.concatenate([[0.0], false_positives / len(normal)]),
        np.concatenate([[0.0], true_positives / len(anomaly)]),
    )


def auc(normal: ArrayLike, anomaly: ArrayLike) -> float:
    """The area under the ROC curve: the chance that an anomalous clip scores above a normal one, ties counting half.

    Raises:
        InputError: See `roc_curve`.
    """
    return _area(*roc_curve(normal, anomaly))


def pauc(normal: ArrayLike, anomaly: ArrayLike, max_fpr: float = PAUC_MAX_FPR) -> float:
    """The partial AUC up to `max_fpr`, standardised by McClish so that chance gives 0.5 and perfection 1.

    Raises:
        InputError: See `roc_curve`.
    """
    fpr, tpr = roc_curve(normal, anomaly)
    inside = fpr <= max_fpr
    fpr_cut = np.append(fpr[inside], max_fpr)
    tpr_cut = np.append(tpr[inside], np.interp(max_fpr, fpr, tpr))
    least, most = 0.5 * max_fpr**2, max_fpr
    return 0.5 * (1.0 + (_area(fpr_cut, tpr_cut) - least) / (most - least))


def harmonic_mean(values: Sequence[float]) -> float:
    """The harmonic mean; 0 as soon as one value is 0.

    Raises:
        InputError: A value is not finite.
    """
    _require_finite(np.asarray(values, np.float64), "measures")
    if min(values) <= 0.0:
        return 0.0
    return len(values) / sum(1.0 / value for value in values)


def _sorted(scores: ArrayLike, kind: str) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not values.size:
        raise InputError(
            f"There are no scores of {kind} clips.",
            got=f"an array of shape {values.shape}",
            valid="one score for each clip, at least one clip",
            next_step="leave this machine out",
        )
    _require_finite(values, f"scores of {kind} clips")
    return np.sort(values)


def _require_finite(values: NDArray[np.float64], what: str) -> None:
    broken = values[~np.isfinite(values)]
    if broken.size:
        raise InputError(
            f"{what.capitalize()} cannot be ranked: some are infinite or not a number.",
            got=f"{broken[0]} and {broken.size - 1} more" if broken.size > 1 else f"{broken[0]}",
            valid="finite numbers",
            next_step="leave out the clips that the model makes nothing of",
        )


def _area(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2.0)
