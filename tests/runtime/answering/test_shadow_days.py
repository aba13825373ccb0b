"""Shadow days: nobody is alarmed, nothing that was heard is lost, and only what a person confirms is learned."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from objects import valid_objects
from program import Run
from simulated_sound import write_simulated

from asd_edge.calibration.audio.bandwidth import band_levels_db
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import (
    Feedback,
    FeedbackSettings,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    SimulatedMachine,
    feedback,
    listen,
    load_bank,
)
from asd_edge.runtime.pipeline.listen_settings import parse_duration
from asd_edge.runtime.store.database import store_path
from asd_edge.runtime.store.records import HeardWindow
from asd_edge.runtime.store.store import Store

SHADOW = ListenSettings(hop_s=1.0, learn_for_s=3600.0)


@pytest.fixture(scope="module")
def day_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of the machine on another day, and half a minute of a state that was never heard."""
    path = tmp_path_factory.mktemp("sound") / "day.wav"
    return write_simulated(path, SimulatedMachine(60.0, day=2), SimulatedMachine(30.0, seed=7))


def hear(bank: Path, model: Model, sound: Path, settings: ListenSettings = SHADOW) -> list[Any]:
    return list(listen([Machine(FileSource(sound), model, load_bank(bank), settings, "pump", bank)]))


def kinds(items: list[Any]) -> list[str]:
    return [item.event for item in items if hasattr(item, "event")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400.0), ("12h", 43_200.0), ("3d", 259_200.0), ("1d12h", 129_600.0), ("1.5h", 5400.0), ("45s", 45.0)],
)
def test_lengths_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "d3", "3 days", "-1d", "1d 2", "nan", "1e3h", "three days"])
def test_other_lengths_are_told(run_main: Run, bank: Path, day_wav: Path, text: str) -> None:
    done = run_main("listen", "--bank", bank, "--input", day_wav, f"--learn-for={text}")
    assert done.returncode == 1
    assert "12h" in done.stderr


@pytest.mark.parametrize("seconds", [0.0, -1.0, 32 * 86_400.0, float("nan"), float("inf")])
def test_lengths_have_bounds(seconds: float) -> None:
    with pytest.raises(InputError, match="shadow days"):
        ListenSettings(learn_for_s=seconds)


def test_nobody_is_alarmed_and_nothing_is_learned_until_a_person_says_so(
    bank: Path, short_model_path: Path, day_wav: Path, run_main: Run
) -> None:
    content = bank.read_bytes()
    arguments = ("--bank", bank, "--input", day_wav, "--hop", 1, "--model", short_model_path)
    done = run_main("listen", *arguments, "--learn-for", "90s", "--json")
    assert done.returncode == 0, done.stderr
    objects = valid_objects(done.stdout)
    assert [each["event"] for each in objects if each["event"] not in ("score", "bandwidth")] == [
        "listening", "would_alarm", "summary", "shadow_days",
    ]  # fmt: skip
    assert (objects[0]["learn_for_s"], objects[0]["learned_s"]) == (90.0, 0.0)
    scores = [each for each in objects if each["event"] == "score"]
    assert len(scores) == 90
    assert not any(each["alarm"] for each in scores)
    days = objects[-1]
    assert (days["windows"], days["learned_s"], days["complete"], days["answer"]) == (90, 90.0, True, None)
    assert days["alarms_per_day"] == pytest.approx(86_400 / 90)
    assert bank.read_bytes() == content

    told = run_main("listen", *arguments, "--learn-for", "90s")
    assert "Shadow days: no alarm is raised; 90 s of 90 s were heard so far." in told.stdout
    assert "0 windows scored" in told.stdout, "enough was heard"
    assert "would have gone on 1 time" in told.stdout
    assert "--shadow-days --normal" in told.stdout
    shown = run_main("feedback", "--bank", bank).stdout
    assert "would have gone on 1 time" in shown

    (answered,) = valid_objects(
        run_main("feedback", "--bank", bank, "--shadow-days", "--normal", "--note", "ok", "--json").stdout
    )
    assert (answered["about"], answered["windows"]) == ("shadow_days", 90)
    learned = load_bank(bank)
    assert len(learned.references) == 210
    assert len(learned.ranked.descending) == 210, "all that was heard is a fair sample of normal sound"
    real = valid_objects(run_main("listen", *arguments, "--json").stdout)
    assert not [each for each in real if each["event"] == "alarm_on"]
    assert run_main("feedback", "--bank", bank, "--shadow-days", "--normal").returncode == 1

    run_main("feedback", "--bank", bank, "--shadow-days", "--undo")
    before = load_bank_of(content, bank)
    assert np.array_equal(load_bank(bank).normal_scores, before)
    anew = run_main("listen", *arguments, "--learn-for", "90s", "--json")
    assert valid_objects(anew.stdout)[-1]["windows"] == 90, "what was taken back can be answered again"


def load_bank_of(content: bytes, bank: Path) -> Any:
    other = bank.with_name("other.npz")
    other.write_bytes(content)
    return load_bank(other).normal_scores


def test_the_levels_of_shadow_days_are_those_of_the_bank_until_they_are_taken_back(
    bank: Path, short_model: Model, day_wav: Path
) -> None:
    before = load_bank(bank).info
    hear(bank, short_model, day_wav)
    feedback(FeedbackSettings(bank, shadow_days=True, normal=True))
    now = load_bank(bank).info
    sound, _ = soundfile.read(day_wav, dtype="float32")
    of_days = np.mean([band_levels_db(sound[16_000 * at : 16_000 * (at + 1)]) for at in range(90)], axis=0)
    expected = (120 * np.array(before.band_levels_db) + 90 * of_days) / 210
    assert np.array(now.band_levels_db) == pytest.approx(expected, abs=0.1)
    assert now.level_deviation_db != before.level_deviation_db
    feedback(FeedbackSettings(bank, shadow_days=True, undo=True))
    again = load_bank(bank).info
    assert again.band_levels_db == before.band_levels_db
    assert again.level_deviation_db == before.level_deviation_db


def test_a_fault_in_shadow_days_is_not_learned(bank: Path, short_model: Model, day_wav: Path) -> None:
    assert kinds(hear(bank, short_model, day_wav)) == ["would_alarm"]
    found = feedback(FeedbackSettings(bank, 1, fault=True))
    assert found.alarms[0].shadow
    done = feedback(FeedbackSettings(bank, shadow_days=True, normal=True)).done
    assert done is not None
    assert done.windows == 90 - found.alarms[0].windows
    real = hear(bank, short_model, day_wav, replace(SHADOW, learn_for_s=None))
    assert "alarm_on" in kinds(real), "that is still a fault"


def test_an_alarm_of_shadow_days_can_be_answered_before_all_of_them(
    bank: Path, short_model: Model, day_wav: Path
) -> None:
    before = load_bank(bank)
    hear(bank, short_model, day_wav)
    alone = feedback(FeedbackSettings(bank, 1, normal=True)).done
    days = feedback(FeedbackSettings(bank, shadow_days=True, normal=True)).done
    assert alone is not None
    assert days is not None
    assert alone.windows + days.windows == 90
    assert len(load_bank(bank).references) == 210
    assert len(load_bank(bank).ranked.descending) == 210, "in the whole, its windows are as fair as the others"
    feedback(FeedbackSettings(bank, shadow_days=True, undo=True))
    assert np.array_equal(load_bank(bank).normal_scores, before.normal_scores)


def test_shadow_days_that_go_on_after_an_answer_are_answered_again(
    bank: Path, short_model: Model, day_wav: Path, machine_wav: Path
) -> None:
    hear(bank, short_model, day_wav)
    feedback(FeedbackSettings(bank, shadow_days=True, normal=True))
    first = load_bank(bank)
    assert first.answered is not None
    store = Store(store_path(bank))
    with store, store.transaction():  # as by a program that was listening on meanwhile
        output = ModelOutput(first.references.embeddings[0] + np.float32(0.01))
        late = HeardWindow(Recording("b", "mic"), 0.0, 4e9, 1.0, 2.0, -20.0, output)
        store.keep_window(first.info.created, late, True, 1)
        store.heard_in(1, 1.0, 4e9)
    done = feedback(FeedbackSettings(bank, shadow_days=True, normal=True)).done
    assert done is not None
    assert done.windows == 1
    now = load_bank(bank)
    assert now.answered is not None
    assert now.answered.numbers.tolist() == [0] * 90 + [1]
    assert not now.answered.picked.any()
    feedback(FeedbackSettings(bank, shadow_days=True, undo=True))
    assert len(load_bank(bank).references) == 210


def test_what_is_to_be_learned_unconfirmed_is_learned_at_the_end(
    bank: Path, short_model_path: Path, day_wav: Path, run_main: Run
) -> None:
    arguments = ("--bank", bank, "--input", day_wav, "--hop", 1, "--model", short_model_path, "--learn-unconfirmed")
    assert run_main("listen", *arguments).returncode == 1, "without shadow days there is nothing to learn"
    part = run_main("listen", *arguments, "--learn-for", "2m", "--json")
    assert valid_objects(part.stdout)[-1]["complete"] is False
    assert len(load_bank(bank).references) == 120, "not before the end"
    whole = valid_objects(run_main("listen", *arguments, "--learn-for", "1m", "--json").stdout)
    assert [each["event"] for each in whole[-2:]] == ["shadow_days", "answered"]
    assert len(load_bank(bank).references) == 210
    assert load_bank(bank).info.answers[0].note == "learned unconfirmed"


def test_the_same_sound_twice_counts_once(bank: Path, short_model: Model, day_wav: Path) -> None:
    hear(bank, short_model, day_wav)
    hear(bank, short_model, day_wav)
    days = of_days(feedback(FeedbackSettings(bank)))
    assert (days.windows, days.heard_s, len(days.alarms)) == (90, 90.0, 1)


def of_days(found: Feedback) -> Any:
    assert found.shadow_days is not None
    return found.shadow_days


def test_after_a_kill_at_any_moment_what_was_heard_counts(
    program: Path, bank: Path, short_model_path: Path, run_main: Run
) -> None:
    """kill -9, six times, at moments that drift through the writing of a window; what was heard before counts."""
    command = [str(program), "listen", "--bank", str(bank), "--model", str(short_model_path), "--threads", "1"]
    command += ["--hop", "0.2", "--realtime", "--learn-for", "1h", "--json", "--input"]
    heard = 0
    for number in range(6):
        told = 0
        source = f"simulated:day={number}"
        with subprocess.Popen([*command, source], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told += json.loads(line)["event"] == "score"
                if told == 4 + number:
                    break
            process.kill()
            process.wait()
        with sqlite3.connect(store_path(bank)) as store:
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        days = of_days(feedback(FeedbackSettings(bank)))
        assert days.windows >= heard + told - 2, "the window at hand, and the one before it on its way"
        assert days.heard_s == pytest.approx(0.2 * days.windows)
        heard = days.windows
    assert of_days(feedback(FeedbackSettings(bank))).number == 1


@pytest.mark.parametrize("ends_with", ["terminate", "interrupt"])
def test_it_is_ended_at_any_time_and_tells_what_it_found(
    program: Path, bank: Path, short_model_path: Path, ends_with: str
) -> None:
    command = [str(program), "listen", "--bank", str(bank), "--model", str(short_model_path), "--threads", "1"]
    command += ["--hop", "1", "--realtime", "--learn-for", "1h", "--json", "--input", "simulated:day=1"]
    import signal

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = [next(process.stdout) for _ in range(3)]
        process.send_signal(signal.SIGTERM if ends_with == "terminate" else signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == (0 if ends_with == "terminate" else 130)
    objects = valid_objects("".join(first) + rest)
    scores = sum(each["event"] == "score" for each in objects)
    assert (objects[-1]["event"], objects[-1]["windows"]) == ("shadow_days", scores)


def test_several_machines_have_shadow_days_of_their_own(
    enrolled: Path, tmp_path: Path, short_model_path: Path, day_wav: Path, machine_wav: Path, run_main: Run
) -> None:
    banks = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for bank in banks:
        bank.write_bytes(enrolled.read_bytes())
    done = run_main(
        "listen", "--bank", banks[0], "--input", day_wav, "--bank", banks[1], "--input", machine_wav,
        "--hop", 1, "--model", short_model_path, "--learn-for", "1h", "--json",
    )  # fmt: skip
    days = [each for each in valid_objects(done.stdout) if each["event"] == "shadow_days"]
    assert [(each["windows"], len(each["alarms"])) for each in days] == [(90, 1), (120, 0)]


def test_shadow_days_without_a_place_to_keep_them_are_an_error(
    bank: Path, short_model: Model, day_wav: Path, run_main: Run, short_model_path: Path
) -> None:
    store_path(bank).mkdir()
    done = run_main(
        "listen", "--bank", bank, "--input", day_wav, "--hop", 1, "--model", short_model_path, "--learn-for", "1h"
    )
    assert done.returncode == 1
    assert "cannot be read or written" in done.stderr
    with pytest.raises(InputError, match="came from no file"):
        listen([Machine(FileSource(day_wav), short_model, load_bank(bank), SHADOW)])
