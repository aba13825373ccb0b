"""The rate of alarms of windows that depend on each other, against long simulations and other computations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from asd_edge.calibration.alarm import Alarm, AlarmRule
from asd_edge.calibration.alarm_rate import DAY_S, chances_of_next


@pytest.mark.parametrize(
    ("k", "n", "exceedance", "correlation"),
    [(1, 1, 0.1, 0.5), (3, 5, 0.05, 0.3), (3, 5, 0.1, 0.7), (6, 8, 0.2, 0.3), (6, 8, 0.15, 0.5), (7, 10, 0.2, 0.7)],
)
def test_the_rate_is_that_of_a_long_simulation(k: int, n: int, exceedance: float, correlation: float) -> None:
    windows = 400_000
    noise = np.random.default_rng(k + n).standard_normal(windows)
    latent = lfilter([math.sqrt(1.0 - correlation**2)], [1.0, -correlation], noise)
    alarm = Alarm(AlarmRule(k, n))
    exceeds = (latent > stats.norm.isf(exceedance)).tolist()
    began = [index for index, anomalous in enumerate(exceeds) if alarm.update(anomalous) and alarm.on]
    assert len(began) > 700
    cycles = np.diff(began)
    # Four deviations of the count of a renewal process, and what is neglected beyond the memory of the chain.
    tolerance = 4.0 / math.sqrt(len(began)) * cycles.std() / cycles.mean() + 0.04
    simulated = len(began) / (windows * 10.0) * DAY_S
    assert AlarmRule(k, n).false_alarms_per_day(exceedance, 10.0, correlation) == pytest.approx(
        simulated, rel=tolerance
    )


@given(st.floats(1e-4, 0.9), st.floats(0.01, 0.95))
@settings(deadline=None)
def test_one_step_is_the_orthant_of_two_normals(exceedance: float, correlation: float) -> None:
    threshold = stats.norm.isf(exceedance)
    both = stats.multivariate_normal([0.0, 0.0], [[1.0, correlation], [correlation, 1.0]]).cdf([-threshold] * 2)
    after_normal, after_anomalous = chances_of_next(exceedance, correlation, 1)
    assert after_anomalous == pytest.approx(both / exceedance, rel=1e-4, abs=1e-6)
    assert after_normal == pytest.approx((exceedance - both) / (1.0 - exceedance), rel=1e-4, abs=1e-6)


def test_without_correlation_nothing_is_remembered() -> None:
    assert chances_of_next(0.3, 0.0, 3).tolist() == [0.3] * 8
    rule = AlarmRule(6, 8)
    assert rule.false_alarms_per_day(0.1, 10.0, 1e-9) == pytest.approx(rule.false_alarms_per_day(0.1, 10.0), rel=1e-5)


def test_the_more_windows_depend_the_more_often_it_goes_on() -> None:
    rates = [AlarmRule().false_alarms_per_day(0.05, 10.0, correlation) for correlation in (0.0, 0.2, 0.4, 0.6)]
    assert rates == sorted(rates)
    assert rates[-1] > 100.0 * rates[0]
