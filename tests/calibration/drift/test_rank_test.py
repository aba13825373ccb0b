"""The test on the ranks of scores: how often it is wrong, and how soon it is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal

from asd_edge.calibration.bank.dependence import Dependence
from asd_edge.calibration.bank.false_alarms import NormalScores
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.drift.rank_test import RankTest

HOP_S = 10.0
DAY = 8640


def ranked(scores: np.ndarray, correlation: float = 0.0) -> NormalScores:
    starts_s = HOP_S * np.arange(len(scores), dtype=float)
    timeline = Timeline(np.zeros(len(scores), np.int32), starts_s, HOP_S)
    return NormalScores.of(scores, timeline, Dependence(HOP_S, HOP_S, correlation))


def windows_until(test: RankTest, scores: np.ndarray) -> int | None:
    return next((at for at, score in enumerate(scores.tolist(), 1) if test.add(score)), None)


def test_the_limit_is_what_a_bank_cannot_know() -> None:
    """Of 1000 windows a quarter lies above the limit's score, to a percent; of 30, chance may make it one in two."""
    rng = np.random.default_rng(0)
    many, few = (RankTest(ranked(10.0 + rng.standard_normal(count)), HOP_S) for count in (1000, 30))
    assert many.limit_share == 0.4
    assert many.limit == pytest.approx(10.674, abs=0.1)  # the upper quartile of the normal distribution
    # By the normal approximation, .25 + 3.1 * sqrt(.25 * .75 / 31); the Beta distribution has a longer upper tail.
    assert 0.49 < few.limit_share < 0.56


def test_a_steady_machine_is_told_at_most_once_a_year_even_at_the_limit() -> None:
    """Windows at the limit are the worst that a machine which is well can give; an hour apart, to see many years."""
    rng = np.random.default_rng(1)
    test = RankTest(ranked(10.0 + rng.standard_normal(1000)), 3600.0)
    years = 10
    above = rng.random(years * 365 * 24) < test.limit_share
    events = sum(test.add(test.limit + (1.0 if each else -1.0)) and test.on for each in above.tolist())
    assert events <= years


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
def test_a_steady_month_has_no_event_also_where_scores_rise_and_fall_together(correlation: float) -> None:
    rng = np.random.default_rng(2)

    def scores(count: int) -> np.ndarray:
        noise = rng.standard_normal(count)
        return 10.0 + signal.lfilter([math.sqrt(1.0 - correlation**2)], [1.0, -correlation], noise)

    test = RankTest(ranked(scores(60), correlation), HOP_S)
    assert windows_until(test, scores(30 * DAY)) is None


def test_windows_that_all_score_high_are_told_within_minutes_and_are_over_within_half_an_hour() -> None:
    """A bettor wins at most 1 / limit a window: ln(3 * 3,155,760) / ln(1 / .4) = 17.5 windows at the least."""
    rng = np.random.default_rng(3)
    test = RankTest(ranked(10.0 + rng.standard_normal(1000)), HOP_S)
    assert windows_until(test, 10.0 + rng.standard_normal(1000)) is None
    found = windows_until(test, 13.0 + rng.standard_normal(100))
    assert found is not None
    assert 18 <= found <= 24
    assert test.on
    assert 990 <= test.began <= 1002
    over = windows_until(test, 10.0 + rng.standard_normal(1000))
    assert over is not None
    assert over <= 400
    assert not test.on
