from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from asd_edge.calibration.dcase.metrics import auc, harmonic_mean, pauc, roc_curve
from asd_edge.calibration.errors import InputError

# Few distinct values, so that many scores tie within and between the classes.
TIED = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=60)
DISTINCT = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def both(normal: list[float], anomaly: list[float]) -> tuple[list[int], list[float]]:
    return [0] * len(normal) + [1] * len(anomaly), normal + anomaly


@given(st.one_of(st.tuples(TIED, TIED), st.tuples(DISTINCT, DISTINCT)))
@settings(deadline=None)
def test_auc_is_that_of_scikit_learn(scores: tuple[list[float], list[float]]) -> None:
    assert auc(*scores) == pytest.approx(roc_auc_score(*both(*scores)), abs=1e-12)


@given(st.one_of(st.tuples(TIED, TIED), st.tuples(DISTINCT, DISTINCT)), st.sampled_from([0.05, 0.1, 0.3, 0.99]))
@settings(deadline=None)
def test_pauc_is_that_of_scikit_learn(scores: tuple[list[float], list[float]], max_fpr: float) -> None:
    assert pauc(*scores, max_fpr) == pytest.approx(roc_auc_score(*both(*scores), max_fpr=max_fpr), abs=1e-12)


@given(TIED, TIED)
def test_auc_is_the_chance_that_an_anomaly_scores_above_a_normal_clip(
    normal: list[float], anomaly: list[float]
) -> None:
    pairs = [(a > n) + 0.5 * (a == n) for a in anomaly for n in normal]
    assert auc(normal, anomaly) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_auc_by_hand() -> None:
    # 2.5 is above two of four, 5 above all.
    assert auc([1.0, 2.0, 3.0, 4.0], [2.5, 5.0]) == pytest.approx(6 / 8)
    assert auc([1.0, 1.0], [1.0]) == pytest.approx(0.5)
    assert auc([2.0], [1.0]) == 0.0


def test_pauc_by_hand() -> None:
    normal = [float(value) for value in range(20)]
    assert pauc(normal, [30.0]) == pytest.approx(1.0)
    assert pauc(normal, normal) == pytest.approx(0.5, abs=0.014)
    # All anomalies below all normal clips: an area of 0, standardised 0.5 (1 - 0.005 / 0.095).
    assert pauc(normal, [-1.0]) == pytest.approx(0.5 * (1.0 - 0.005 / 0.095))
    # 18.5 is below the highest of twenty: true positives from a rate of 0.05 on, half of the strip up to 0.1.
    assert pauc(normal, [18.5]) == pytest.approx(0.5 * (1.0 + (0.05 - 0.005) / 0.095))
    # The default is the challenge's p of 0.1.
    assert pauc(normal, [18.5]) == pauc(normal, [18.5], 0.1)


def test_roc_curve_by_hand() -> None:
    false_positives, true_positives = roc_curve([1.0, 2.0], [2.0, 3.0])
    # Thresholds 3, 2 and 1.
    assert false_positives.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert true_positives.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_harmonic_mean_by_hand() -> None:
    assert harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert harmonic_mean([0.25, 0.5, 1.0]) == pytest.approx(3 / 7)
    assert harmonic_mean([0.6]) == pytest.approx(0.6)
    assert harmonic_mean([0.9, 0.0, 0.8]) == 0.0


@given(st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=30))
def test_harmonic_mean_is_that_of_scipy(values: list[float]) -> None:
    assert harmonic_mean(values) == pytest.approx(float(stats.hmean(values)), rel=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("measure", [auc, pauc, roc_curve])
def test_what_is_not_a_number_has_no_rank(measure: Callable[..., object], value: float) -> None:
    """NumPy sorts it behind the largest: an AUC of 1 for anomalies of which nothing is known."""
    for normal, anomaly in (([1.0, 2.0], [value, 3.0]), ([1.0, value], [3.0])):
        with pytest.raises(InputError, match="infinite or not a number"):
            measure(normal, anomaly)
    with pytest.raises(InputError, match="infinite or not a number"):
        harmonic_mean([0.5, value])


def test_no_scores_have_no_measure() -> None:
    with pytest.raises(InputError, match="no scores of normal clips"):
        auc([], [1.0])
    with pytest.raises(InputError, match="no scores of anomalous clips"):
        pauc([1.0], [])
