"""The alarm's threshold: what it promises, against closed forms and against many simulated enrolments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.dependence import Dependence
from asd_edge.calibration.bank.false_alarms import NormalScores
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.errors import InputError

HOP_S = 10.0
WINDOWS_A_DAY = 8640.0


def ranked(scores: NDArray[np.float64], correlation: float = 0.0) -> NormalScores:
    timeline = Timeline(np.zeros(len(scores), np.int32), HOP_S * np.arange(len(scores)), HOP_S)
    return NormalScores.of(scores, timeline, Dependence(HOP_S, HOP_S, correlation))


@given(st.integers(5, 200), st.floats(0.05, 0.95))
@settings(deadline=None)
def test_the_mean_has_a_closed_form_for_an_alarm_without_memory(windows: int, share: float) -> None:
    # An alarm of 1/1 begins where an exceedance follows none: E[q (1 - q)] of a Beta distribution.
    rank = max(0.5, share * windows)
    rest = windows + 1.0 - rank
    expected = WINDOWS_A_DAY * rank * rest / ((windows + 1.0) * (windows + 2.0))
    found = ranked(np.arange(1.0, windows + 1.0)).false_alarms(rank, AlarmRule(1, 1), HOP_S)
    assert found.mean == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("rule", "windows"), [("6/8", 12), ("6/8", 60), ("6/8", 360), ("3/5", 60), ("3/5", 360), ("7/10", 24)]
)
def test_many_enrolments_keep_the_promise_whatever_the_scores_are(rule: str, windows: int) -> None:
    # For uniform scores the exceedance of a threshold is 1 - threshold. Any other continuous scores are these, bent.
    rng = np.random.default_rng(1)
    alarm, wish, rates, inside = AlarmRule.parse(rule), 3.0, [], 0
    for _ in range(1000):
        scores = 1.0 + rng.random(windows)
        normal = ranked(scores)
        rank = normal.rank_for(wish, alarm, HOP_S)
        assert rank >= 1.0  # within what was seen, so that nothing is guessed
        exceedance = 2.0 - normal.value_at(rank)
        rates.append(alarm.false_alarms_per_day(exceedance, HOP_S))
        known = normal.false_alarms(rank, alarm, HOP_S)
        inside += known.at_least <= rates[-1] <= known.at_most
    error = 4.0 * np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) == pytest.approx(wish, abs=error + 0.15 * wish)
    assert inside / len(rates) == pytest.approx(0.90, abs=0.045)


@given(st.integers(12, 400), st.floats(0.01, 1000.0), st.sampled_from(["1/1", "3/5", "6/8", "7/10"]))
@settings(max_examples=30, deadline=None)
def test_the_rank_for_a_wish_gives_the_wish(windows: int, wish: float, rule: str) -> None:
    normal, alarm = ranked(np.arange(1.0, windows + 1.0)), AlarmRule.parse(rule)
    try:
        rank = normal.rank_for(wish, alarm, HOP_S)
    except InputError:
        # Alarms that hardly ever end cannot begin anew, and where windows are few, many chances lie past that peak.
        assert wish > 20.0
        return
    assert normal.false_alarms(rank, alarm, HOP_S).mean == pytest.approx(wish, rel=1e-3)


@pytest.mark.parametrize("wish", [0.0, -1.0, np.nan, np.inf, 3000.0])
def test_a_wish_that_no_threshold_fulfils_is_refused_with_what_is_possible(wish: float) -> None:
    # 1/1 with a hop of 10 s raises at most a quarter of 8640 alarms.
    with pytest.raises(InputError, match="No threshold gives") as raised:
        ranked(np.arange(1.0, 1001.0)).rank_for(wish, AlarmRule(1, 1), HOP_S)
    assert raised.value.got == f"{wish:g} a day with alarm 1/1 and a hop of 10 s"
    assert raised.value.valid == "more than 0, up to 2.16e+03"


def test_scores_at_ranks_by_hand() -> None:
    normal = ranked(np.array([5.0, 1.0, 3.0, np.inf, 2.0, np.nan, 4.0]))
    assert [normal.value_at(rank) for rank in (1.0, 2.0, 2.5, 5.0)] == [5.0, 4.0, 3.5, 1.0]
    # The tail is guessed from the three highest: on average 2 above the fourth, so half of what exceeds 5 exceeds
    # 5 + 2 log 2.
    assert normal.value_at(0.5) == pytest.approx(5.0 + 2.0 * np.log(2.0))


@given(st.floats(0.01, 59.0))
@settings(deadline=None)
def test_a_rank_and_its_score_are_each_others_inverse(rank: float) -> None:
    normal = ranked(np.random.default_rng(3).gamma(5.0, 1.0, 60), correlation=0.3)
    rank = min(rank, normal.independent)
    assert normal.rank_of(normal.value_at(rank)) == pytest.approx(rank, rel=1e-6)


def test_copies_say_nothing() -> None:
    scores = np.random.default_rng(4).gamma(5.0, 1.0, 60)
    with_copies = np.concatenate([scores, np.zeros(20), np.full(5, 1e-6)])
    assert ranked(with_copies).independent == ranked(scores).independent == pytest.approx(60.0)


def test_windows_that_depend_on_each_other_count_as_fewer_and_raise_the_threshold() -> None:
    scores = np.random.default_rng(5).gamma(5.0, 1.0, 200)
    thresholds, counts = [], []
    for correlation in (0.0, 0.2, 0.4, 0.6):
        normal = ranked(scores, correlation)
        counts.append(normal.independent)
        thresholds.append(normal.value_at(normal.rank_for(1.0, AlarmRule(), HOP_S)))
    assert thresholds == sorted(thresholds)
    assert counts == sorted(counts, reverse=True)


def test_windows_that_share_sound_count_once() -> None:
    scores = np.random.default_rng(5).gamma(5.0, 1.0, 40)
    every_second = Timeline(np.zeros(40, np.int32), 5.0 * np.arange(40), HOP_S)
    assert NormalScores.of(scores, every_second, Dependence(5.0, HOP_S, 0.0)).independent == pytest.approx(20.0)
    apart = Timeline(np.arange(40, dtype=np.int32), np.zeros(40), HOP_S)
    assert NormalScores.of(scores, apart, Dependence(5.0, HOP_S, 0.0)).independent == pytest.approx(40.0)


def test_more_windows_narrow_the_interval_and_lower_the_threshold() -> None:
    scores = np.random.default_rng(6).gamma(5.0, 1.0, 3600)
    widths, thresholds = [], []
    for windows in (36, 360, 3600):
        normal = ranked(scores[:windows])
        rank = normal.rank_for(1.0, AlarmRule(), HOP_S)
        known = normal.false_alarms(rank, AlarmRule(), HOP_S)
        assert known.at_least < 1.0 < known.at_most
        widths.append(known.at_most / known.at_least)
        thresholds.append(rank / normal.independent)
    assert widths == sorted(widths, reverse=True)
    assert thresholds == sorted(thresholds)


def test_how_many_windows_would_do() -> None:
    normal = ranked(np.arange(1.0, 21.0))
    rule = AlarmRule(3, 5)
    assert normal.rank_for(1.0, rule, HOP_S) < 1.0
    needed = normal.windows_for(1.0, rule, HOP_S)
    # E[q^3] of Beta(1, m) is 6 / ((m + 1)(m + 2)(m + 3)), and 3/5 goes on somewhat less than 6 q^3 times a window.
    assert 6.0 * WINDOWS_A_DAY * 6.0 / ((needed + 1) * (needed + 2) * (needed + 3)) == pytest.approx(1.15, rel=0.15)
