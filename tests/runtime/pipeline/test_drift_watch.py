"""What changes in the sound while a machine is listened to is told by the program, in words and as JSON."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from objects import valid_objects
from program import Run

from asd_edge.runtime import (
    AlarmRule,
    Block,
    EnrollSettings,
    Event,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    Recording,
    SimulatedMachine,
    enroll,
    listen,
    load_bank,
)

CHANGES = {"moved", "drift", "new_state", "fault_begins", "as_before"}
HOP_S = 2.0
SETTINGS = ListenSettings(hop_s=HOP_S)


def sound(day: int, duration_s: float) -> np.ndarray:
    blocks = SimulatedMachine(duration_s, day=day).sound(threading.Event())
    return np.concatenate([block.samples[:, 0] for block in blocks])


@pytest.fixture(scope="module")
def bank_path(short_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "pump.npz"
    enroll(SimulatedMachine(400.0), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=HOP_S))
    return path


@pytest.fixture(scope="module")
def louder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour, the second half of which is 6 dB louder."""
    path = tmp_path_factory.mktemp("sound") / "louder.wav"
    samples = sound(1, 1800.0)
    samples[len(samples) // 2 :] *= 2.0
    soundfile.write(path, samples, 16_000)
    return path


def heard(source: Path, model: Model, bank: Path, settings: ListenSettings = SETTINGS) -> list[Event]:
    machine = Machine(FileSource(source), model, load_bank(bank), settings)
    return [item for item in listen([machine]) if isinstance(item, Event) and item.event in CHANGES]


def test_a_file_whose_second_half_is_louder_gives_one_event_with_what_to_do(
    run: Run, short_model_path: Path, bank_path: Path, louder: Path
) -> None:
    result = run(
        "listen", "--bank", bank_path, "--input", louder, "--hop", HOP_S, "--json", "--model", short_model_path
    )
    assert result.returncode == 0
    told = [each for each in valid_objects(result.stdout) if each["event"] in CHANGES]
    assert [each["event"] for each in told] == ["moved"]
    assert 900.0 <= told[0]["start_s"] <= 900.0 + 600.0
    assert "6 dB louder" in told[0]["reason"]
    assert "enroll --append" in told[0]["reason"]


def test_it_can_be_switched_off(run: Run, short_model_path: Path, bank_path: Path, louder: Path) -> None:
    model = ("--model", short_model_path)
    result = run("listen", "--bank", bank_path, "--input", louder, "--hop", HOP_S, "--json", "--no-drift-watch", *model)
    assert not [line for line in result.stdout.splitlines() if json.loads(line)["event"] in CHANGES]


def test_an_alarm_says_that_everything_became_louder(short_model: Model, bank_path: Path, louder: Path) -> None:
    """The alarm is one that goes on at every other window: it stays an alarm, with the reason."""
    settings = ListenSettings(hop_s=HOP_S, rule=AlarmRule(1, 1), percentile=50.0)
    machine = Machine(FileSource(louder), short_model, load_bank(bank_path), settings)
    alarms = [item for item in listen([machine]) if isinstance(item, Event) and item.event == "alarm_on"]
    later = [alarm.reason for alarm in alarms if alarm.start_s > 1300.0]
    assert later
    assert all("everything is 6 dB louder than it was enrolled" in reason for reason in later)
    assert not any("louder" in alarm.reason for alarm in alarms if alarm.start_s < 900.0)


def test_a_bank_that_is_read_anew_begins_the_watch_anew(short_model: Model, bank_path: Path, louder: Path) -> None:
    """It is told once more, since the new bank knows nothing of what was told."""
    machine = Machine(FileSource(louder), short_model, load_bank(bank_path), SETTINGS, bank_file=bank_path)
    wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()
    moved = 0
    for item in listen([machine], reload=wishes):
        if isinstance(item, Event) and item.event == "moved":
            moved += 1
            machine.use(load_bank(bank_path))
        if moved == 2:
            break
    assert moved == 2


class Broken(SimulatedMachine):
    """Half a minute of sound, then a gap of ten, again and again."""

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        for block in super().sound(stop):
            piece, at_s = divmod(block.start_s, 30.0)
            start_s = block.start_s + 600.0 * piece
            if piece and not at_s:
                yield Event("gap", self.name, start_s, "sound was lost", duration_s=600.0)
            yield replace(block, recording=Recording(f"piece {piece:.0f}", self.name), start_s=start_s, last=False)


def test_gaps_are_no_change(short_model: Model, bank_path: Path) -> None:
    machine = Machine(Broken(900.0, day=3), short_model, load_bank(bank_path), SETTINGS)
    events = [item.event for item in listen([machine]) if isinstance(item, Event)]
    assert events.count("gap") == 29
    assert not CHANGES & set(events)


def test_a_bank_that_was_enrolled_before_levels_were_known(
    short_model: Model, bank_path: Path, louder: Path, tmp_path: Path
) -> None:
    """The levels of the first half hour are learned instead, and here that is all there is."""
    bank = load_bank(bank_path)
    old = tmp_path / "old.npz"
    replace(bank, info=replace(bank.info, band_levels_db=(), level_deviation_db=None)).save(old)
    assert not [event for event in heard(louder, short_model, old) if "dB" in event.reason]


def test_the_deviation_of_levels_is_that_of_the_windows(short_model_path: Path, tmp_path: Path) -> None:
    """Ten windows of noise, by turns 6 dB apart: a deviation of 3 dB, also in two parts."""
    rng = np.random.default_rng(0)
    noise = 0.05 * rng.standard_normal((60, 16_000)) * np.where(np.arange(60) % 2, 2.0, 1.0)[:, None]
    for part in (0, 1):
        soundfile.write(tmp_path / f"{part}.wav", noise[30 * part : 30 * part + 30].reshape(-1), 16_000)
        settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, append=bool(part), yes=bool(part))
        enroll(FileSource(tmp_path / f"{part}.wav"), Model(short_model_path, threads=1), settings)
    found = load_bank(tmp_path / "bank.npz").info.level_deviation_db
    assert found == pytest.approx(3.01, abs=0.1)
