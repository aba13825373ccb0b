"""The official measures of DCASE Task 2 since 2022, from scored clips: as its evaluator counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asd_edge.calibration.dcase.data_set import Domain, Label
from asd_edge.calibration.dcase.metrics import auc, harmonic_mean, pauc
from asd_edge.calibration.errors import InputError

DomainName = Literal["source", "target"]
DOMAINS: tuple[DomainName, ...] = ("source", "target")


@dataclass(frozen=True)
class ScoredClip:
    """A test clip with what a method says about it.

    Raises:
        InputError: The score is infinite or not a number: such a clip has no rank, and is not scored.
    """

    name: str
    """The name of the file."""
    domain: Domain
    """The domain; empty where it is not known."""
    label: Label
    """Whether the clip is normal or an anomaly; empty where nobody says."""
    score: float
    """The anomaly score."""
    detected: bool
    """Whether the method called it an anomaly."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise InputError(
                "The score of a clip is infinite or not a number.",
                got=f"{self.name}: {self.score}",
                valid="a finite number",
                next_step="leave the clip out",
            )


@dataclass(frozen=True)
class Measures:
    """How well the faults of one machine are found. All lie between 0 and 1.

    A measure of a domain is none where the domain has no normal clips (AUC) or no clips at all (the others).
    """

    auc: float
    """The AUC of all normal clips against all anomalies."""
    auc_source: float | None
    """The AUC of the source domain's normal clips against the anomalies of both domains."""
    auc_target: float | None
    """The same of the target domain."""
    pauc: float
    """The partial AUC up to a false positive rate of 0.1, standardised by McClish, both domains pooled."""
    precision_source: float | None
    """The precision of the decisions; 0 where nothing was detected."""
    precision_target: float | None
    recall_source: float | None
    recall_target: float | None
    f1_source: float | None
    f1_target: float | None

    @property
    def areas(self) -> tuple[float, ...]:
        """The AUCs that there are and the pAUC, of which the official score is the harmonic mean."""
        return tuple(area for area in (self.auc_source, self.auc_target, self.pauc) if area is not None)


def measure(clips: Sequence[ScoredClip]) -> Measures:
    """Measure one machine.

    Clips of no domain count as source: 2020 knew one only.

    Args:
        clips: The clips with their labels, at least one normal and one anomalous.

    Raises:
        InputError: The clips do not tell normal from anomalous.
    """
    normal = [clip for clip in clips if clip.label == "normal"]
    anomalies = [clip for clip in clips if clip.label == "anomaly"]
    if not normal or not anomalies:
        raise InputError(
            "The test clips do not tell normal from anomalous.",
            got=f"{len(normal)} normal and {len(anomalies)} anomalous clips",
            valid="at least one of each",
            next_step="add some, or leave this machine out",
        )
    anomaly_scores = [clip.score for clip in anomalies]
    values: dict[str, float | None] = {}
    for domain in DOMAINS:
        inside = [clip for clip in clips if (clip.domain or "source") == domain]
        normal_scores = [clip.score for clip in inside if clip.label == "normal"]
        values[f"auc_{domain}"] = auc(normal_scores, anomaly_scores) if normal_scores else None
        rates = _rates(inside) if inside else (None, None, None)
        values.update(zip((f"precision_{domain}", f"recall_{domain}", f"f1_{domain}"), rates, strict=True))
    pooled = [clip.score for clip in normal]
    return Measures(auc=auc(pooled, anomaly_scores), pauc=pauc(pooled, anomaly_scores), **values)


def _rates(clips: Sequence[ScoredClip]) -> tuple[float, float, float]:
    """The precision, recall and F1 of the decisions; 0 where the official evaluator divides by next to nothing."""
    detected = sum(clip.detected for clip in clips)
    anomalies = sum(clip.label == "anomaly" for clip in clips)
    found = sum(clip.detected and clip.label == "anomaly" for clip in clips)
    precision = found / max(detected, 1)
    recall = found / max(anomalies, 1)
    return precision, recall, 2.0 * precision * recall / (precision + recall) if found else 0.0


def official_score(machines: Iterable[Measures]) -> float:
    """The challenge's Ω: the harmonic mean of all machines' AUCs of both domains and pAUCs."""
    return harmonic_mean([area for measures in machines for area in measures.areas])


def pooled_score(machines: Iterable[Measures]) -> float:
    """The Ω of [ASP], equation (12): the harmonic mean of all machines' AUCs over both domains together and pAUCs.

    It weighs the pAUC more than `official_score` does, and the domain that goes badly less.
    """
    return harmonic_mean([area for measures in machines for area in (measures.auc, measures.pauc)])


def official_ci95(clips: Sequence[ScoredClip]) -> float | None:
    """The number that the official evaluator prints as the 95 % confidence interval of its score.

    It is a jackknife over the clips of all machines together, the mean of that of the AUC and that of the pAUC. The
    evaluator divides the spread of the estimates by N (N - 1), where the usual jackknife multiplies it by (N - 1) / N:
    the number is smaller by a factor of N - 1 than a standard error would make it, and is here for comparison only.

    Args:
        clips: The clips of all machines.

    Returns:
        Half the width of the interval, or none where a class has a single clip.
    """
    from scipy import stats

    scores = np.array([clip.score for clip in clips])
    anomalous = np.array([clip.label == "anomaly" for clip in clips])
    count = len(clips)
    if min(anomalous.sum(), count - anomalous.sum()) < 2:
        return None

    def half_width(area: Callable[..., float]) -> float:
        without = np.empty(count)
        kept = np.ones(count, np.bool_)
        for index in range(count):
            kept[index] = False
            without[index] = area(scores[kept & ~anomalous], scores[kept & anomalous])
            kept[index] = True
        spread = float(np.sqrt(np.sum((without - without.mean()) ** 2) / (count * (count - 1))))
        return float(stats.t.ppf(0.975, count - 1)) * spread

    return (half_width(auc) + half_width(pauc)) / 2.0
