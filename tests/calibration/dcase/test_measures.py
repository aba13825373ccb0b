"""The measures of one machine and the scores over all, worked by hand and against scikit-learn and [ASP]."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from asd_edge.calibration.dcase.measures import (
    Measures,
    ScoredClip,
    measure,
    official_ci95,
    official_score,
    pooled_score,
)
from asd_edge.calibration.errors import InputError


def clips(domain: str, label: str, *scores: float, threshold: float = 5.0) -> list[ScoredClip]:
    return [
        ScoredClip(f"{domain}_{label}_{index}.wav", domain, label, score, score > threshold)  # type: ignore[arg-type]
        for index, score in enumerate(scores)
    ]


def test_one_machine_by_hand() -> None:
    measures = measure(
        [
            *clips("source", "normal", 1.0, 2.0, 6.0),
            *clips("target", "normal", 4.0, 8.0),
            *clips("source", "anomaly", 7.0, 3.0),
            *clips("target", "anomaly", 9.0, 3.0),
        ]
    )
    # Anomalies 3, 3, 7 and 9 of both domains. Of source normals they exceed 2, 2, 3 and 3; of target's 0, 0, 1 and 2.
    assert measures.auc_source == pytest.approx(10 / 12)
    assert measures.auc_target == pytest.approx(3 / 8)
    assert measures.auc == pytest.approx(13 / 20)
    # One of four anomalies lies above all normal clips, so a quarter is found all along the strip up to 0.1.
    assert measures.pauc == pytest.approx(0.5 * (1.0 + (0.025 - 0.005) / 0.095))
    assert (measures.precision_source, measures.recall_source, measures.f1_source) == (0.5, 0.5, 0.5)
    assert (measures.precision_target, measures.recall_target, measures.f1_target) == (0.5, 0.5, 0.5)


def test_rates_are_0_where_nothing_is_found() -> None:
    measures = measure(
        [*clips("source", "normal", 6.0), *clips("source", "anomaly", 1.0), *clips("target", "anomaly", 1.0)]
    )
    assert (measures.precision_source, measures.recall_source, measures.f1_source) == (0.0, 0.0, 0.0)
    assert (measures.precision_target, measures.recall_target, measures.f1_target) == (0.0, 0.0, 0.0)
    assert measures.auc_target is None


def test_clips_of_no_domain_count_as_source() -> None:
    scores = ([1.0, 4.0, 6.0], [5.0, 7.0])
    named, unnamed = (
        measure([*clips(domain, "normal", *scores[0]), *clips(domain, "anomaly", *scores[1])])
        for domain in ("source", "")
    )
    assert named == unnamed
    assert (named.auc_target, named.precision_target) == (None, None)
    assert named.areas == (named.auc_source, named.pauc)


@pytest.mark.parametrize("label", ["normal", "anomaly"])
def test_one_class_only_is_refused(label: str) -> None:
    with pytest.raises(InputError, match="do not tell normal from anomalous"):
        measure([*clips("source", label, 1.0, 2.0), *clips("source", "", 3.0)])


SCORES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=15)


@given(SCORES, SCORES, SCORES, SCORES)
@settings(deadline=None, max_examples=40)
def test_measures_are_those_of_scikit_learn(a: list[float], b: list[float], c: list[float], d: list[float]) -> None:
    found = [
        *clips("source", "normal", *a),
        *clips("target", "normal", *b),
        *clips("source", "anomaly", *c),
        *clips("target", "anomaly", *d),
    ]
    measures = measure(found)
    truth = [clip.label == "anomaly" for clip in found]
    assert measures.auc == pytest.approx(sk.roc_auc_score(truth, [clip.score for clip in found]), abs=1e-12)
    assert measures.pauc == pytest.approx(
        sk.roc_auc_score(truth, [clip.score for clip in found], max_fpr=0.1), abs=1e-12
    )
    for domain in ("source", "target"):
        ranked = [clip for clip in found if clip.domain == domain or clip.label == "anomaly"]
        area = sk.roc_auc_score([clip.label == "anomaly" for clip in ranked], [clip.score for clip in ranked])
        assert getattr(measures, f"auc_{domain}") == pytest.approx(area, abs=1e-12)
        inside = [clip for clip in found if clip.domain == domain]
        expected = sk.precision_recall_fscore_support(
            [clip.label == "anomaly" for clip in inside],
            [clip.detected for clip in inside],
            average="binary",
            zero_division=0.0,
        )
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert getattr(measures, f"{name}_{domain}") == pytest.approx(value, abs=1e-12)


def areas(source: float, target: float, pauc: float) -> Measures:
    """With as many normal clips in either domain the AUC of both together is the mean of theirs."""
    return Measures((source + target) / 2.0, source, target, pauc, *[None] * 6)


# [ASP] Table 2: AUC source, AUC target and pAUC of bearing, fan, gearbox, slider, ToyCar, ToyTrain and valve, and the Ω
# of Table 3.
AVERAGE_POOLING = [
    areas(*each)
    for each in (
        (0.593, 0.589, 0.566), (0.526, 0.500, 0.511), (0.708, 0.650, 0.585), (0.824, 0.554, 0.497),
        (0.685, 0.642, 0.516), (0.753, 0.744, 0.582), (0.728, 0.627, 0.576),
    )
]  # fmt: skip
ATTENTIVE_POOLING = [
    areas(*each)
    for each in (
        (0.626, 0.722, 0.610), (0.571, 0.540, 0.507), (0.691, 0.658, 0.597), (0.805, 0.560, 0.501),
        (0.614, 0.683, 0.535), (0.749, 0.762, 0.610), (0.765, 0.592, 0.586),
    )
]  # fmt: skip
PROPOSED = [
    areas(*each)
    for each in (
        (0.628, 0.728, 0.614), (0.568, 0.553, 0.518), (0.744, 0.686, 0.624), (0.806, 0.541, 0.494),
        (0.702, 0.723, 0.546), (0.719, 0.743, 0.574), (0.682, 0.707, 0.566),
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "official", "printed"),
    [(AVERAGE_POOLING, 0.604, 0.5912), (ATTENTIVE_POOLING, 0.621, 0.6076), (PROPOSED, 0.629, 0.6132)],
)
def test_the_reports_own_omega_is_another_number(table: list[Measures], official: float, printed: float) -> None:
    """Its Table 3 follows from its Table 2 by pooled AUCs, to 0.0014, and not by the official formula."""
    assert official_score(table) == pytest.approx(official, abs=5e-4)
    assert pooled_score(table) == pytest.approx(printed, abs=1.4e-3)
    assert official_score(table) - printed > 0.012


def test_the_scores_by_hand() -> None:
    one, other = areas(1.0, 0.5, 0.5), areas(0.5, 0.25, 0.6)
    assert official_score([one, other]) == pytest.approx(6 / (1 + 2 + 2 + 2 + 4 + 1 / 0.6))
    assert pooled_score([one, other]) == pytest.approx(4 / (1 / 0.75 + 2 + 1 / 0.375 + 1 / 0.6))
    no_target = Measures(0.5, 0.5, None, 0.6, *[None] * 6)
    assert official_score([no_target]) == pytest.approx(2 / (2 + 1 / 0.6))


def test_the_confidence_interval_by_hand() -> None:
    """Two normal clips at 1 and 3, two anomalies at 2 and 4."""
    found = [*clips("source", "normal", 1.0, 3.0), *clips("source", "anomaly", 2.0, 4.0)]
    # Without each in turn: 2 and 4 against 3; against 1; 4 against 1 and 3; 2 against 1 and 3.
    areas_without = [0.5, 1.0, 1.0, 0.5]
    # In the strip up to 0.1: half is found, all, all, none.
    strips = [0.5 * (1.0 + (found * 0.1 - 0.005) / 0.095) for found in (0.5, 1.0, 1.0, 0.0)]

    def half_width(values: list[float]) -> float:
        mean = sum(values) / 4
        # 3.18244630528 is the 97.5th percentile of Student's t with 3 degrees of freedom.
        return 3.18244630528 * math.sqrt(sum((value - mean) ** 2 for value in values) / 12)

    expected = (half_width(areas_without) + half_width(strips)) / 2
    assert official_ci95(found) == pytest.approx(expected, abs=1e-10)
    assert official_ci95(found[1:]) is None


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_clip_without_a_number_is_no_scored_clip(score: float) -> None:
    with pytest.raises(InputError, match="infinite or not a number"):
        ScoredClip("a.wav", "source", "normal", score, False)
