"""What a person says about an alarm: it is kept, learned from, taken back, and heard by a program that listens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from objects import valid_objects
from program import Run
from simulated_sound import write_simulated

from asd_edge.calibration.bank import coreset
from asd_edge.calibration.bank.bank_file import BANK_FORMAT
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import (
    EnrollSettings,
    Feedback,
    FeedbackSettings,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    SimulatedMachine,
    enroll,
    feedback,
    known_faults,
    listen,
    load_bank,
)
from asd_edge.runtime.store.database import store_path
from asd_edge.runtime.store.records import HeardWindow
from asd_edge.runtime.store.store import AlarmSoFar, Store

HOP = ListenSettings(hop_s=1.0)


@pytest.fixture(scope="module")
def strange_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of another machine."""
    return write_simulated(tmp_path_factory.mktemp("sound") / "strange.wav", SimulatedMachine(30.0, seed=7))


def events(bank: Path, model: Model, sound: Path) -> list[Any]:
    """Listen to a file with the bank as it is, and keep its alarms."""
    return list(listen([Machine(FileSource(sound), model, load_bank(bank), HOP, "pump", bank)]))


def alarms(items: list[Any]) -> list[str]:
    return [item.event for item in items if hasattr(item, "event") and item.event.startswith("alarm")]


def test_an_alarm_is_kept_with_the_windows_that_its_rule_looked_at(
    bank: Path, short_model: Model, strange_wav: Path, run_main: Run
) -> None:
    items = events(bank, short_model, strange_wav)
    assert alarms(items) == ["alarm_on"]
    scores = [item for item in items if not hasattr(item, "event")]
    on = next(at for at, score in enumerate(scores) if score.alarm)
    (kept,) = valid_objects(run_main("feedback", "--bank", bank, "--json").stdout)
    assert (kept["event"], kept["number"], kept["shadow"], kept["answer"]) == ("kept_alarm", 1, False, None)
    assert (kept["machine"], kept["source"], kept["live"]) == ("pump", str(strange_wav), False)
    first = max(0, on - HOP.rule.n + 1)
    assert kept["start_s"] == scores[first].start_s
    assert kept["windows"] == len(scores) - first
    assert kept["highest"] == max(score.score for score in scores[first:])
    assert kept["duration_s"] == pytest.approx(len(scores) - first)
    shown = run_main("feedback", "--bank", bank).stdout
    assert "pump: 1 alarm" in shown
    assert "--normal" in shown


def test_the_same_file_heard_twice_is_the_same_alarm(bank: Path, short_model: Model, strange_wav: Path) -> None:
    events(bank, short_model, strange_wav)
    once = feedback(FeedbackSettings(bank))
    events(bank, short_model, strange_wav)
    twice = feedback(FeedbackSettings(bank))
    assert [alarm.number for alarm in twice.alarms] == [1]
    assert twice.alarms[0].windows == once.alarms[0].windows


def test_what_was_normal_is_learned_and_alarms_nobody_again_until_it_is_taken_back(
    bank: Path, enrolled: Path, short_model: Model, strange_wav: Path, run_main: Run
) -> None:
    events(bank, short_model, strange_wav)
    before = load_bank(bank)
    done = run_main("feedback", "--bank", bank, 1, "--normal", "--note", "cleaning", "--json")
    (answered,) = valid_objects(done.stdout)
    kept = feedback(FeedbackSettings(bank)).alarms[0]
    assert (answered["answer"], answered["windows"], answered["undone"]) == ("normal", kept.windows, False)
    assert (kept.answer, kept.note) == ("normal", "cleaning")
    learned = load_bank(bank)
    assert len(learned.references) == len(before.references) + kept.windows
    # They were picked by their scores: they are compared with, and say nothing about how often normal sound is strange.
    assert len(learned.ranked.descending) == len(before.ranked.descending)
    assert alarms(events(bank, short_model, strange_wav)) == []
    (told,) = valid_objects(run_main("info", bank, "--json").stdout)
    assert [(each["kind"], each["number"], each["note"], each["undone"]) for each in told["answers"]] == [
        ("normal", 1, "cleaning", None)
    ]
    assert "cleaning" in run_main("info", bank).stdout

    (undone,) = valid_objects(run_main("feedback", "--bank", bank, 1, "--undo", "--json").stdout)
    assert (undone["undone"], undone["threshold"]) == (True, answered["threshold_before"])
    again = load_bank(bank)
    assert np.array_equal(again.normal_scores, before.normal_scores)
    assert np.array_equal(again.references.embeddings, before.references.embeddings)
    assert again.info.threshold == before.info.threshold
    assert again.info.answers[0].undone
    assert feedback(FeedbackSettings(bank)).alarms[0].answer == ""
    assert alarms(events(bank, short_model, strange_wav)) == ["alarm_on"]


def test_a_fault_is_kept_and_it_is_said_whether_the_bank_would_find_it(
    bank: Path, short_model: Model, strange_wav: Path, run_main: Run
) -> None:
    events(bank, short_model, strange_wav)
    before = load_bank(bank)
    feedback(FeedbackSettings(bank, 1, fault=True, note="bearing"))
    now = load_bank(bank)
    assert np.array_equal(now.normal_scores, before.normal_scores)
    (fault,) = known_faults(now)
    assert fault.found
    assert fault.highest == max(item.score for item in events(bank, short_model, strange_wav) if hasattr(item, "score"))
    (told,) = valid_objects(run_main("info", bank, "--json").stdout)
    assert [(each["note"], each["found"]) for each in told["known_faults"]] == [("bearing", True)]
    # Whoever teaches the bank that very sound afterwards is told that the fault would not be found any more.
    enroll(FileSource(strange_wav), short_model, EnrollSettings(bank, hop_s=1.0, append=True, yes=True))
    assert [fault.found for fault in known_faults(load_bank(bank))] == [False]
    assert "would NOT be found" in run_main("info", bank).stdout
    assert [answer.kind for answer in load_bank(bank).info.answers] == ["fault"], "an addition keeps the history"


def test_who_says_the_other_thing_has_changed_their_mind(bank: Path, short_model: Model, strange_wav: Path) -> None:
    events(bank, short_model, strange_wav)
    before = load_bank(bank)
    feedback(FeedbackSettings(bank, 1, normal=True))
    feedback(FeedbackSettings(bank, 1, fault=True))
    now = load_bank(bank)
    assert np.array_equal(now.normal_scores, before.normal_scores)
    assert [bool(answer.undone) for answer in now.info.answers] == [True, False]
    assert feedback(FeedbackSettings(bank)).alarms[0].answer == "fault"
    found = feedback(FeedbackSettings(bank, 1, normal=True))
    assert found.alarms[0].answer == "normal"
    assert known_faults(load_bank(bank)) == ()


def test_a_bank_that_keeps_fewer_windows_since_is_the_one_before_again(
    bank: Path, short_model: Model, strange_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The windows are not all there any more to be taken out; where more was learned since, that is refused."""
    monkeypatch.setattr(coreset, "HELD_WINDOWS", 5)
    events(bank, short_model, strange_wav)
    small = load_bank(bank)
    replace(small, info=replace(small.info, max_references=20)).save(bank)
    before = load_bank(bank)
    feedback(FeedbackSettings(bank, 1, normal=True))
    assert len(load_bank(bank).references) == 20
    feedback(FeedbackSettings(bank, 1, undo=True))
    now = load_bank(bank)
    assert np.array_equal(now.normal_scores, before.normal_scores)
    assert now.info.answers[0].undone
    feedback(FeedbackSettings(bank, 1, normal=True))
    enroll(SimulatedMachine(10.0, day=3), short_model, EnrollSettings(bank, hop_s=1.0, append=True, yes=True))
    content = bank.read_bytes()
    with pytest.raises(InputError, match="cannot be taken out"):
        feedback(FeedbackSettings(bank, 1, undo=True))
    assert bank.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("2", "--normal"), "no alarm of this number"),
        (("1", "--undo"), "no answer to take back"),
        (("1",), "not clear"),
        (("--normal",), "not clear"),
        (("1", "--normal", "--fault"), "not clear"),
        (("1", "--shadow-days", "--normal"), "not clear"),
        (("--shadow-days", "--fault"), "not clear"),
        (("--shadow-days", "--normal"), "no shadow days"),
        (("--note", "x"), "belongs to an answer"),
        (("0", "--normal"), "out of its bounds"),
    ],
)
def test_what_cannot_be_answered_is_told(
    bank: Path, short_model: Model, strange_wav: Path, run_main: Run, arguments: tuple[str, ...], words: str
) -> None:
    events(bank, short_model, strange_wav)
    content = bank.read_bytes()
    done = run_main("feedback", "--bank", bank, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "next:" in done.stderr
    assert bank.read_bytes() == content


def test_the_same_answer_twice_is_told_and_changes_nothing(bank: Path, short_model: Model, strange_wav: Path) -> None:
    events(bank, short_model, strange_wav)
    for answer in ({"normal": True}, {"fault": True}):
        feedback(FeedbackSettings(bank, 1, **answer))
        content = bank.read_bytes()
        with pytest.raises(InputError, match="said already"):
            feedback(FeedbackSettings(bank, 1, **answer))
        assert bank.read_bytes() == content


def test_without_alarms_there_is_nothing_to_answer(bank: Path, run_main: Run) -> None:
    assert "no alarm" in run_main("feedback", "--bank", bank).stdout
    assert run_main("feedback", "--bank", bank, "--json").stdout == ""
    done = run_main("feedback", "--bank", bank, "1", "--normal")
    assert done.returncode == 1
    assert "No alarm of this machine was kept" in done.stderr
    found = feedback(FeedbackSettings(bank))
    assert found == Feedback(bank, "pump", (), None, None)


def test_a_bank_that_is_enrolled_anew_does_not_know_the_alarms_of_another(
    bank: Path, enrolled: Path, short_model: Model, strange_wav: Path
) -> None:
    events(bank, short_model, strange_wav)
    other = load_bank(enrolled)
    replace(other, info=replace(other.info, created="2020-01-01T00:00:00+00:00")).save(bank)
    assert feedback(FeedbackSettings(bank)).alarms == ()
    with pytest.raises(InputError, match="no alarm of this number"):
        feedback(FeedbackSettings(bank, 1, normal=True))


@pytest.mark.parametrize("name", ["bank_format_2.npz", "bank_format_2_reduced.npz"])
def test_a_bank_of_the_first_version_takes_answers(tmp_path: Path, name: str) -> None:
    bank = tmp_path / "pump.npz"
    bank.write_bytes((Path(__file__).parents[2] / "reference" / name).read_bytes())
    before = load_bank(bank)
    rng = np.random.default_rng(0)
    windows = [
        HeardWindow(
            Recording("late", "mic"), 10.0 * number, 1e9 + 10.0 * number, 9.0, 1.0, -20.0,
            ModelOutput(rng.normal(size=before.references.embeddings.shape[1]).astype(np.float32)),
        )
        for number in range(3)
    ]  # fmt: skip
    alarm = AlarmSoFar(windows[2], 0.0, True, 1e9, 1e9 + 30.0, 30.0, 3, 9.0, 1.0)
    with Store(store_path(bank)) as store, store.transaction():
        store.keep_alarm(before.info.created, alarm, windows, None)
    assert not load_bank(bank).info.answers
    feedback(FeedbackSettings(bank, 1, fault=True))
    assert len(known_faults(load_bank(bank))) == 1
    feedback(FeedbackSettings(bank, 1, normal=True))
    now = load_bank(bank)
    assert now.info.format == BANK_FORMAT
    assert len(now.normal_scores) == len(before.normal_scores) + 3
    feedback(FeedbackSettings(bank, 1, undo=True))
    assert len(load_bank(bank).normal_scores) == len(before.normal_scores)


def read_until(stream: Iterator[str], said: list[dict[str, Any]], *wanted: str) -> None:
    for line in stream:
        said.append(json.loads(line))
        if said[-1]["event"] in wanted:
            return
    pytest.fail(f"none of {wanted} in {said}")


def test_a_program_that_listens_takes_the_answered_bank_and_no_window_is_lost(
    program: Path, bank: Path, short_model_path: Path, run_main: Run, tmp_path: Path
) -> None:
    """Nobody tells the program: it sees that the file of the bank has changed."""
    command = [str(program), "listen", "--model", str(short_model_path), "--threads", "1", "--hop", "1", "--json"]
    sound = write_simulated(tmp_path / "sound.wav", SimulatedMachine(4.0, day=1), SimulatedMachine(60.0, seed=7))
    command += ["--bank", str(bank), "--input", str(sound), "--realtime"]
    said: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            read_until(process.stdout, said, "alarm_on")
            for _ in range(5):
                read_until(process.stdout, said, "score")
            done = run_main("feedback", "--bank", bank, "1", "--normal", "--json")
            assert done.returncode == 0, done.stderr
            read_until(process.stdout, said, "reloaded", "not_reloaded")
            read_until(process.stdout, said, "score")
            process.terminate()
            rest, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    objects = valid_objects("".join(json.dumps(each) + "\n" for each in said) + rest)
    assert [each["event"] for each in objects if "reloaded" in each["event"]] == ["reloaded"]
    starts = [each["start_s"] for each in objects if each["event"] == "score"]
    busy = sum(each["count"] for each in objects if each["event"] == "skipped")  # by whatever else this computer does
    assert len(starts) + busy == starts[-1] + 1.0
    thresholds = list(dict.fromkeys(each["threshold"] for each in objects if each["event"] == "score"))
    (answered,) = valid_objects(done.stdout)
    assert len(thresholds) == 2
    alarm = feedback(FeedbackSettings(bank)).alarms[0]
    assert alarm.live
    assert alarm.ended is not None, "its end came when the program was stopped, or by normal windows"
    assert answered["windows"] <= alarm.windows
