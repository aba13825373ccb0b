import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd_edge.calibration.alarm import MAX_N, Alarm, AlarmRule
from asd_edge.calibration.alarm_rate import DAY_S
from asd_edge.calibration.errors import InputError


@pytest.mark.parametrize(("text", "k", "n"), [("3/5", 3, 5), ("1/1", 1, 1), ("10/10", 10, 10), ("02/4", 2, 4)])
def test_a_rule_is_read_from_text(text: str, k: int, n: int) -> None:
    rule = AlarmRule.parse(text)
    assert (rule.k, rule.n) == (k, n)
    assert AlarmRule.parse(str(rule)) == rule


@pytest.mark.parametrize("text", ["", "3", "3/", "/5", "3:5", "3/5/7", "-1/5", "a/b", "3.0/5", "²/5", "3 of 5", "+3/5"])
def test_text_that_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as raised:
        AlarmRule.parse(text)
    assert raised.value.got == text
    assert "6/8" in raised.value.valid


@pytest.mark.parametrize("text", ["0/5", "0/0", "6/5", "1/11", "11/11"])
def test_a_rule_that_cannot_work_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="does not fit together") as raised:
        AlarmRule.parse(text)
    assert f"n <= {MAX_N}" in raised.value.valid


# One column a window; "A" is anomalous, "#" is on.
SEQUENCES = {
    "on at the third of five, not before": ("3/5", "A.A.A", "....#"),
    "three of six are not three of five": ("3/5", "AA...A", "......"),
    "the window moves on": ("3/5", "AA...AA...AA.A", ".............#"),
    "the first k suffice, without n windows": ("3/5", "AAA", "..#"),
    "off after k normal in a row": ("3/5", "AAA...", "..###."),
    "an anomalous window starts the row anew": ("3/5", "AAA..A..A...", "..#########."),
    "three of five normal do not suffice": ("3/5", "AAA.A.A.A.A", "..#########"),
    "anew from an empty history": ("2/5", "AA..A....AA", ".##.......#"),
    "what ended the alarm is forgotten, too": ("2/5", "AA..AA..A.A", ".##..##...#"),
    "one window each way": ("1/1", "A.AA..A", "#.##..#"),
    "k = 1 ends with one normal window": ("1/5", "A.A..", "#.#.."),
    "k = n needs them in a row": ("3/3", "AA.AAA", ".....#"),
    "never": ("2/2", "A.A.A.A.", "........"),
}


@pytest.mark.parametrize(("rule", "decisions", "states"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_the_alarm_by_hand(rule: str, decisions: str, states: str) -> None:
    alarm = Alarm(AlarmRule.parse(rule))
    found, was_on = "", False
    for decision in decisions:
        changed = alarm.update(decision == "A")
        assert changed == (alarm.on != was_on)
        was_on = alarm.on
        found += "#" if alarm.on else "."
    assert found == states


@pytest.mark.parametrize(("k", "n", "exceedance"), [(1, 1, 0.3), (2, 3, 0.1), (3, 5, 0.2), (4, 4, 0.5), (2, 10, 0.05)])
def test_false_alarms_a_day_are_those_of_a_long_simulation(k: int, n: int, exceedance: float) -> None:
    hop_s, windows = 7.5, 200_000
    alarm = Alarm(AlarmRule(k, n))
    began = [
        index
        for index, anomalous in enumerate(np.random.default_rng(1).random(windows) < exceedance)
        if alarm.update(bool(anomalous)) and alarm.on
    ]
    assert len(began) > 1000
    # The count of a renewal process scatters by its root times deviation over mean of the cycle; four times that.
    cycles = np.diff(began)
    tolerance = 4.0 / math.sqrt(len(began)) * cycles.std() / cycles.mean()
    simulated = len(began) / (windows * hop_s) * DAY_S
    assert AlarmRule(k, n).false_alarms_per_day(exceedance, hop_s) == pytest.approx(simulated, rel=tolerance)


@given(st.floats(1e-12, 1.0), st.floats(0.01, 1e4))
def test_an_alarm_without_memory_has_a_closed_form(exceedance: float, hop_s: float) -> None:
    # It begins where an anomalous window follows a normal one.
    expected = DAY_S / hop_s * exceedance * (1.0 - exceedance)
    assert AlarmRule(1, 1).false_alarms_per_day(exceedance, hop_s) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.integers(1, 6), st.floats(1e-6, 0.99))
@settings(deadline=None)
def test_k_of_k_waits_for_runs_both_ways(k: int, exceedance: float) -> None:
    # Mean wait for a run of k: (q^-k - 1) / (1 - q).
    normal = 1.0 - exceedance
    to_on = math.expm1(-k * math.log(exceedance)) / normal
    to_off = math.expm1(-k * math.log(normal)) / exceedance
    expected = DAY_S / (to_on + to_off)
    assert AlarmRule(k, k).false_alarms_per_day(exceedance, 1.0) == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-9, 0.99))
def test_two_of_three_by_hand(q: float) -> None:
    # Waits from nothing, from A and from A. : w = 1 + p w + q w_A, w_A = 1 + p w_AN, w_AN = 1 + p w.
    p = 1.0 - q
    to_on = (1.0 + q + q * p) / (q * q * (1.0 + p))
    to_off = (1.0 + p) / p**2
    expected = DAY_S / (to_on + to_off)
    assert AlarmRule(2, 3).false_alarms_per_day(q, 1.0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("k", "n"), [(1, 4), (2, 5), (3, 5), (5, 5), (4, 10), (10, 10)])
@pytest.mark.parametrize("exceedance", [1e-6, 1e-9, 1e-12, 1.2e-16])
def test_rare_alarms_keep_their_digits(k: int, n: int, exceedance: float) -> None:
    """Chances that multiply to far under the rounding of a float still give the rate, not rounding noise."""
    # Where exceedances are rare, an alarm is one with k - 1 others among the n - 1 windows after it.
    expected = DAY_S * math.comb(n - 1, k - 1) * exceedance**k
    found = AlarmRule(k, n).false_alarms_per_day(exceedance, 1.0)
    assert found == pytest.approx(expected, rel=1e-8 + 2 * n * n * exceedance, abs=0.0)


@pytest.mark.parametrize("exceedance", [0.0, 1.0])
def test_an_alarm_that_never_begins_or_never_ends_has_no_rate(exceedance: float) -> None:
    assert AlarmRule(3, 5).false_alarms_per_day(exceedance, 1.0) == 0.0


def test_six_of_eight_unless_said_otherwise() -> None:
    assert AlarmRule() == AlarmRule(6, 8)
