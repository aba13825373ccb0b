"""What is promised of a threshold, in words: worked by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.false_alarms import FalseAlarms
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import EnrollSettings, FileSource, ListenSettings, Machine, Model, SimulatedMachine, enroll
from asd_edge.runtime.pipeline.threshold_text import expected, explain_threshold


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (FalseAlarms(1.0, 0.23, 2.42), "about 1 a day; with 90 % confidence 0.23 to 2.4"),
        (FalseAlarms(1.0, 0.0059, 4.4), "about 1 a day; with 90 % confidence 0 to 4.4"),
        (FalseAlarms(23.4, 11.0, 61.0), "about 23 a day; with 90 % confidence 11 to 61"),
    ],
)
def test_what_to_expect_in_words(found: FalseAlarms, words: str) -> None:
    assert expected(found) == words


def test_the_words_and_the_values_say_the_same(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank
    source = SimulatedMachine(30.0)
    settings = ListenSettings(hop_s=1.0, false_alarms_per_day=20.0)
    told = explain_threshold(Machine(source, short_model, bank, settings))
    assert told.values["reason"] == " ".join(told.words)
    assert told.values["alarm"] == "6/8"
    assert told.values["false_alarms_per_day"] == pytest.approx(20.0, rel=1e-3)
    least, most = (told.values[f"false_alarms_per_day_at_{end}"] for end in ("least", "most"))
    assert least < 20.0 < most
    assert told.words[1] == f"False alarms: about 20 a day; with 90 % confidence {least:.2g} to {most:.2g}."
    effective = told.values["effective_windows"]
    assert told.words[2] == f"Rests on 120 windows, which count as {effective:.0f}: neighbours sound alike."
    assert told.values["extrapolated"] is False
    assert len(told.words) == 4


def test_an_hour_more_makes_the_interval_narrower_as_it_says(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    """What is told is the interval of a bank with so many windows more, and of a percentile nothing is told."""
    bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank
    told = explain_threshold(Machine(SimulatedMachine(30.0), short_model, bank, ListenSettings(hop_s=1.0)))
    least, most = map(
        float, re.search(r"1 more hour of sound would make it ([\d.]+) to ([\d.]+)\.", told.words[3]).groups()
    )  # type: ignore[union-attr]
    longer = bank.ranked.with_windows(3600.0 * bank.ranked.independent / 120.0, 1.0, AlarmRule(), 1.0)
    assert (least, most) == pytest.approx((longer.at_least, longer.at_most), rel=0.05)
    assert told.values["false_alarms_per_day_at_least"] < least < most < told.values["false_alarms_per_day_at_most"]
    percentile = ListenSettings(hop_s=1.0, percentile=90.0)
    assert len(explain_threshold(Machine(SimulatedMachine(30.0), short_model, bank, percentile)).words) == 3


def test_windows_that_share_sound_raise_the_alarm_together(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank
    source = SimulatedMachine(30.0)
    values = [
        explain_threshold(Machine(source, short_model, bank, ListenSettings(hop_s, percentile=90.0))).values
        for hop_s in (1.0, 0.25)
    ]
    # Four times as many windows alone would be four times as many alarms.
    assert values[1]["false_alarms_per_day"] > 5.0 * values[0]["false_alarms_per_day"]


def test_a_threshold_beyond_what_was_enrolled_says_how_much_more_would_do(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank
    settings = ListenSettings(hop_s=1.0, rule=AlarmRule(1, 1), false_alarms_per_day=1.0)
    told = explain_threshold(Machine(SimulatedMachine(30.0), short_model, bank, settings))
    assert told.values["extrapolated"] is True
    # One window in 86400 may exceed it; the highest of m windows is exceeded by one in m + 1.
    minutes = int(re.search(r"Enroll (\d+) minutes more", told.words[3])[1])  # type: ignore[index]
    independent = minutes * 60.0 * told.values["effective_windows"] / 120.0
    assert independent == pytest.approx(86_400.0, rel=0.05)


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
