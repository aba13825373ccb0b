"""What is promised of a threshold, in words: worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.threshold import Threshold
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import EnrollSettings, FileSource, ListenSettings, Machine, Model, SimulatedMachine, enroll
from asd_edge.runtime.pipeline.threshold_text import explain_threshold, most_false_alarms_per_day


@pytest.mark.parametrize(
    ("k", "hop_s", "expected"),
    [
        (3, 10.0, 1.0),  # windows that do not overlap are independent
        (3, 4.0, 1.0),  # an exceedance is seen by 2.5 windows, too few for the alarm
        (3, 10.0 / 3.0, 0.01 * 8640.0),  # by three: each of the 8640 windows of a day that do not overlap may raise it
        (1, 10.0, 0.01 * 8640.0),
    ],
)
def test_windows_that_share_sound_raise_the_alarm_together(k: int, hop_s: float, expected: float) -> None:
    threshold = Threshold(value=2.0, percentile=99.0, supported_percentile=99.5, false_alarms_per_day=1.0)
    most = most_false_alarms_per_day(threshold, AlarmRule(k, 5), hop_s, window_s=10.0)
    assert most == pytest.approx(expected)


def test_what_is_independent_is_never_less_than_what_is_together() -> None:
    threshold = Threshold(value=2.0, percentile=99.0, supported_percentile=99.5, false_alarms_per_day=500.0)
    assert most_false_alarms_per_day(threshold, AlarmRule(1, 5), 10.0, window_s=10.0) == 500.0


def test_the_words_and_the_values_say_the_same(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank
    source = SimulatedMachine(30.0)
    apart = explain_threshold(Machine(source, short_model, bank, ListenSettings(hop_s=1.0, percentile=95.0)))
    assert apart.values["false_alarms_per_day_at_most"] == apart.values["false_alarms_per_day"]
    assert len(apart.words) == 2
    rule = AlarmRule(3, 5)
    close = explain_threshold(Machine(source, short_model, bank, ListenSettings(0.25, None, rule, percentile=95.0)))
    assert close.values["false_alarms_per_day_at_most"] == pytest.approx(0.05 * 86_400.0)
    assert close.values["false_alarms_per_day"] < 1000.0
    assert "up to 4.3e+03 false alarms a day are possible" in close.words[2]
    assert close.values["reason"] == " ".join(close.words)
    assert close.values["alarm"] == "3/5"
    # 120 windows support the 99.17th percentile; the 99.9th needs 1000, so 880 more of a second.
    beyond = explain_threshold(Machine(source, short_model, bank, ListenSettings(1.0, percentile=99.9)))
    assert beyond.values["extrapolated"] is True
    assert "120 windows support percentiles up to 99.17" in beyond.words[2]
    assert "Enroll 15 minutes more" in beyond.words[2]


@pytest.mark.parametrize(("duration_s", "refused"), [(5.0, True), (30.0, False), (float("inf"), False)])
def test_a_hop_longer_than_the_sound_is_refused_of_any_source(
    duration_s: float, refused: bool, short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank
    source, settings = SimulatedMachine(duration_s), ListenSettings(hop_s=10.0, percentile=90.0)
    if refused:
        with pytest.raises(InputError, match="longer than the sound") as error:
            Machine(source, short_model, bank, settings)
        assert "at most 5.0 s" in error.value.got
    else:
        assert Machine(source, short_model, bank, settings).source is source
