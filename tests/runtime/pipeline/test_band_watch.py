"""A microphone that cuts the sound off is told as what it is: at the start, in the alarm, and while enrolling."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from program import Run

from asd_edge.runtime import (
    AlarmRule,
    EnrollSettings,
    Event,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    Progress,
    enroll,
    listen,
    load_bank,
)


def through(rate_hz: int, sound: Path, path: Path, written_hz: int | None = None) -> Path:
    """A sound file as a microphone of a lower rate would have recorded it, written with that rate or another."""
    samples, original_hz = soundfile.read(sound, dtype="float32")
    heard = soxr.resample(samples, original_hz, rate_hz)
    soundfile.write(path, soxr.resample(heard, rate_hz, written_hz or rate_hz), written_hz or rate_hz)
    return path


@pytest.fixture(scope="module")
def bank_path(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "pump.npz"
    enroll(FileSource(machine_wav), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=1.0))
    return path


def heard(path: Path, model: Model, bank: Path) -> list[Event]:
    settings = ListenSettings(1.0, None, AlarmRule(3, 5))
    machine = Machine(FileSource(path), model, load_bank(bank), settings)
    return [item for item in listen([machine]) if isinstance(item, Event)]


@pytest.mark.parametrize("written_hz", [8_000, 16_000, 48_000])
def test_an_8_khz_microphone_is_told_at_the_start_and_in_the_alarm(
    short_model: Model, bank_path: Path, machine_wav: Path, tmp_path: Path, written_hz: int
) -> None:
    """Also where a driver brings the sound to another rate, so that its rate says nothing."""
    events = heard(through(8_000, machine_wav, tmp_path / "narrow.wav", written_hz), short_model, bank_path)
    assert [event.event for event in events] == ["bandwidth", "alarm_on"]
    assert events[0].start_s == 0.0
    assert "up to 3.8 kHz, the bank's up to 8.0 kHz" in events[0].reason
    assert "another microphone" in events[1].reason


def test_the_same_microphone_and_a_fault_are_not_told(
    short_model: Model, bank_path: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    wide = through(48_000, machine_wav, tmp_path / "wide.wav")
    for sound in (machine_wav, wide, faulty_wav):
        events = heard(sound, short_model, bank_path)
        assert not [event for event in events if event.event == "bandwidth"]
        assert not [event for event in events if "microphone" in event.reason]


def test_it_is_told_once_and_again_when_it_ends(
    short_model: Model, bank_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    through(8_000, machine_wav, folder / "a.wav")
    through(8_000, machine_wav, folder / "b.wav")
    through(16_000, machine_wav, folder / "c.wav")
    told = [event for event in heard(folder, short_model, bank_path) if event.event == "bandwidth"]
    assert [Path(event.source).name for event in told] == ["a.wav", "c.wav"]
    assert "again" in told[1].reason


def test_a_bank_of_a_narrow_microphone_is_told_beside_a_wide_one(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    narrow, bank = through(8_000, machine_wav, tmp_path / "narrow.wav"), tmp_path / "bank.npz"
    report = enroll(FileSource(narrow), short_model, EnrollSettings(bank, hop_s=1.0))
    assert report.bandwidth == ""  # more than half its rate a device cannot hear
    events = heard(machine_wav, short_model, bank)
    assert events[0].event == "bandwidth"
    assert "the bank's only up to 3.8 kHz" in events[0].reason


def test_enrolling_through_a_wide_device_that_hears_little_is_told(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    told: list[Progress] = []
    headset = through(8_000, machine_wav, tmp_path / "headset.wav", 48_000)
    report = enroll(FileSource(headset), short_model, EnrollSettings(tmp_path / "b.npz", hop_s=1.0), told.append)
    events = [progress.latest for progress in told if progress.latest is not None]
    assert [event.event for event in events] == ["bandwidth"]
    assert "ends at 3.8 kHz, although a rate of 48000 Hz" in report.bandwidth
    assert report.refused == {}


def test_adding_sound_of_a_narrow_microphone_is_told_with_the_question(
    run_main: Run, short_model_path: Path, bank_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    bank = tmp_path / "bank.npz"
    bank.write_bytes(bank_path.read_bytes())
    narrow = through(8_000, machine_wav, tmp_path / "narrow.wav")
    words = ("--bank", bank, "--model", short_model_path, "--hop", 1, "--input", narrow, "--append")
    done = run_main("enroll", *words)
    assert done.returncode == 1
    assert "bandwidth: the sound reaches up to 3.8 kHz" in done.stdout
    assert "Also, the sound reaches up to 3.8 kHz" in done.stderr


def test_the_bank_remembers_the_mean_of_all_windows(
    short_model: Model, bank_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    """Enrolled at once or in two goes; a bank that remembers nothing says nothing."""
    bank = tmp_path / "bank.npz"
    enroll(FileSource(machine_wav), short_model, EnrollSettings(bank, hop_s=1.0, minutes=0.5))
    enroll(FileSource(machine_wav), short_model, EnrollSettings(bank, hop_s=1.0, append=True, yes=True))
    np.testing.assert_allclose(load_bank(bank).info.band_levels_db, load_bank(bank_path).info.band_levels_db, atol=0.11)


def test_a_bank_that_remembers_nothing_says_nothing(
    short_model: Model, bank_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    """Banks of earlier releases do not."""
    bank = load_bank(bank_path)
    old = replace(bank, info=replace(bank.info, band_levels_db=()))
    narrow = through(8_000, machine_wav, tmp_path / "narrow.wav")
    machine = Machine(FileSource(narrow), short_model, old, ListenSettings(1.0))
    assert not [item for item in listen([machine]) if isinstance(item, Event) and item.event == "bandwidth"]


def test_score_warns_and_its_objects_are_one_a_window(
    run_main: Run, short_model_path: Path, bank_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    narrow = through(8_000, machine_wav, tmp_path / "narrow.wav")
    done = run_main("score", narrow, "--bank", bank_path, "--model", short_model_path, "--json")
    assert {json.loads(line)["event"] for line in done.stdout.splitlines()} == {"score"}
    assert done.stderr.count("the sound reaches up to 3.8 kHz") == 1
