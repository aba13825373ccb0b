"""Listening and scoring: the right score for each window, the alarm, and keeping up."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from objects import valid_objects
from program import Run

from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.runtime import (
    AlarmRule,
    EnrollSettings,
    Event,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    Score,
    SimulatedMachine,
    enroll,
    listen,
    load_bank,
    score_files,
)
from asd_edge.runtime.pipeline.window_queue import windows_of
from asd_edge.runtime.sources.source import Block, Source

SETTINGS = ListenSettings(hop_s=1.0, rule=AlarmRule(2, 3), false_alarms_per_day=100.0)


@pytest.fixture(scope="module")
def enrolled(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    enroll(FileSource(machine_wav), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=1.0))
    return path


@pytest.fixture
def bank(enrolled: Path, tmp_path: Path) -> Bank:
    return load_bank(shutil.copy(enrolled, tmp_path))


def test_scores_are_distances_to_the_nearest_normalised_reference(
    short_model: Model, bank: Bank, faulty_wav: Path
) -> None:
    """[ASP] equations (10) and (11), written out."""
    found = [item for item in score_files([faulty_wav], short_model, bank) if isinstance(item, Score)]
    samples = soundfile.read(faulty_wav, dtype="float32")[0]
    references = bank.references.embeddings.astype(np.float64)
    mean, deviation = references.mean(axis=0), references.std(axis=0)
    assert len(found) == 30
    for index, score in enumerate(found):
        embedding = short_model.embed(samples[index * 16_000 : (index + 1) * 16_000]).embedding
        distances = np.linalg.norm((embedding - mean) / deviation - (references - mean) / deviation, axis=1)
        assert score.score == pytest.approx(distances.min(), rel=1e-4)
        assert score.start_s == index
        assert score.decision == ("anomaly" if score.score > score.threshold else "normal")


def test_an_enrolled_file_scores_zero(short_model: Model, bank: Bank, machine_wav: Path) -> None:
    scores = [item.score for item in score_files([machine_wav], short_model, bank) if isinstance(item, Score)]
    assert scores == [0.0] * 120


def test_the_alarm_follows_the_fault(short_model: Model, bank: Bank) -> None:
    """On soon after the bearing goes bad."""
    failing = SimulatedMachine(80.0, day=2, fault_begins_s=40.0, fault_full_s=41.0)
    items = list(listen([Machine(failing, short_model, bank, replace(SETTINGS, percentile=90.0))]))
    alarms = [item for item in items if isinstance(item, Event) and item.event == "alarm_on" and item.start_s >= 40.0]
    assert 40.0 <= alarms[0].start_s <= 45.0
    assert "2 of the last 3" in alarms[0].reason
    scores = [item for item in items if isinstance(item, Score) and item.start_s >= 42.0]
    assert np.mean([score.decision == "anomaly" for score in scores]) > 0.5


def test_alarm_and_scores_agree_with_the_rule(short_model: Model, bank: Bank) -> None:
    """Replaying the decisions by hand gives the same alarm, event for event."""
    settings = ListenSettings(hop_s=1.0, rule=AlarmRule(2, 3), percentile=60.0)
    on, normal, recent = False, 0, []
    expected, found = [], []
    for item in listen([Machine(SimulatedMachine(60.0, day=3), short_model, bank, settings)]):
        if isinstance(item, Event):
            found.append((item.event, item.start_s))
            continue
        anomalous = item.decision == "anomaly"
        if on:
            normal = 0 if anomalous else normal + 1
            if normal == 2:
                on, recent = False, []
                expected.append(("alarm_off", item.start_s))
        else:
            recent = [*recent, anomalous][-3:]
            if sum(recent) == 2:
                on, normal = True, 0
                expected.append(("alarm_on", item.start_s))
        assert item.alarm == on
    assert found == expected
    assert len(found) >= 2


def test_false_alarms_per_day_sets_the_threshold_and_says_when_it_cannot_be_supported(bank: Bank) -> None:
    easy = ListenSettings(hop_s=1.0, rule=AlarmRule(1, 1), false_alarms_per_day=8640.0).threshold(bank)
    # Of 86,400 windows, every exceedance after a normal one raises an alarm of one window: q (1 - q) = 0.1, less where
    # exceedances follow each other. What q is, is not known exactly, and the mean is over all that it could be.
    assert easy.false_alarms.mean == pytest.approx(8640.0, rel=1e-3)
    assert easy.false_alarms.at_least < 8640.0 < easy.false_alarms.at_most
    assert 100.0 * (0.5 - np.sqrt(0.25 - 0.1)) < 100.0 - easy.percentile < 20.0
    hard = ListenSettings(hop_s=1.0, false_alarms_per_day=0.01).threshold(bank)
    assert hard.extrapolated
    assert not easy.extrapolated
    assert hard.value > easy.value


class Slow(Model):
    """A model that takes twice as long for a window of `Live` as the next one takes to come."""

    def embed(self, samples: Any) -> Any:
        time.sleep(0.1)
        return super().embed(samples)


class Live(Source):
    """The simulated machine as a microphone would give it, twenty times as fast as real."""

    live = True

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        for block in SimulatedMachine(20.0, day=4).sound(stop):
            if stop.wait(0.05):
                return
            yield block


def test_a_slow_model_scores_the_newest_window_and_counts_the_others(short_model_path: Path, bank: Bank) -> None:
    """Sound comes faster than it can be scored: every window is either scored or counted, and none is scored late."""
    model = Slow(short_model_path, threads=1)
    seen = list(listen([Machine(Live(), model, bank, SETTINGS)]))
    scored = [item for item in seen if isinstance(item, Score)]
    skipped = sum(item.count or 0 for item in seen if isinstance(item, Event) and item.event == "skipped")
    assert len(scored) + skipped == 20
    assert skipped >= 5
    assert scored[-1].start_s == 19.0


def test_events_wait_in_order_and_the_newest_window_replaces_older_ones() -> None:
    """What a slow consumer gets after 2 windows, an overrun, and 2 windows: the overrun, then the last window."""
    blocks = list(SimulatedMachine(4.0).sound(threading.Event()))
    produced = threading.Event()

    class Noisy(Source):
        name, live = "mic", True

        def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
            yield from blocks[:2]
            yield Event("overrun", "mic", 2.0, "lost")
            yield from blocks[2:]
            produced.set()

    stop = threading.Event()
    items = (item for _, item in windows_of([(Noisy(), Windowing(16_000, 1.0))], stop))
    first = next(items)
    produced.wait()
    time.sleep(0.1)
    rest = list(items)
    assert isinstance(first, (Window, Event))
    kinds = [item.event if isinstance(item, Event) else item.start_s for item in rest]
    assert kinds[-1] == 3.0
    assert kinds[-2] == "skipped"


def test_an_error_in_the_background_is_raised_where_the_windows_are_taken(
    short_model: Model, bank: Bank, tmp_path: Path, machine_wav: Path
) -> None:
    samples = soundfile.read(machine_wav)[0][:48_000].copy()
    samples[20_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(InputError, match="not numbers"):
        list(listen([Machine(FileSource([tmp_path / "nan.wav"], realtime=True), short_model, bank, SETTINGS)]))


def test_a_bank_is_refused_with_any_other_model(bank: Bank, machine_wav: Path) -> None:
    with pytest.raises(BankError, match="another model"):
        Machine(FileSource([machine_wav]), Model(), bank)


def test_json_of_score_and_listen_have_the_same_keys_and_values(
    run_main: Run, short_model_path: Path, bank: Bank, faulty_wav: Path, tmp_path: Path
) -> None:
    common = ("--bank", tmp_path / "bank.npz", "--model", short_model_path, "--hop", 1, "--json")
    scored = valid_objects(run_main("score", faulty_wav, *common).stdout)
    options = ("--percentile", 90, "--alarm", "3/5")
    heard = valid_objects(run_main("listen", "--input", faulty_wav, *common, *options).stdout)
    windows = [values for values in heard if values["event"] == "score"]
    assert [values["score"] for values in windows] == [values["score"] for values in scored]
    assert windows[0].keys() == scored[0].keys()
    assert {"source", "start_s", "score", "threshold", "decision"} <= scored[0].keys()
    assert heard[0]["event"] == "listening"
    assert heard[0]["extrapolated"] is False
    assert heard[0]["threshold"] == scored[0]["threshold"]
    others = [values for values in heard if values["event"] != "score"]
    assert [values["event"] for values in others] == ["listening", "alarm_on", "summary"]
    (changing,) = [values for values in windows if values["start_s"] == others[1]["start_s"]]
    assert others[1]["score"] == changing["score"] > others[1]["threshold"] == changing["threshold"]
    assert others[1]["window"] == {"start_s": changing["start_s"], "end_s": changing["start_s"] + 1.0}
    assert heard[-1]["windows"] == 30


def test_a_wish_beyond_the_enrolment_is_said_in_words_and_in_json(
    run_main: Run, short_model_path: Path, bank: Bank, faulty_wav: Path, tmp_path: Path
) -> None:
    common = ("listen", "--bank", tmp_path / "bank.npz", "--model", short_model_path, "--hop", 1, "--input", faulty_wav)
    wish = ("--false-alarms-per-day", 0.01)
    assert "No enrolled window scored so high" in run_main(*common, *wish).stdout
    told = json.loads(run_main(*common, *wish, "--json").stdout.splitlines()[0])
    assert told["extrapolated"] is True
    assert "No enrolled window scored so high" in told["reason"]
    assert told["false_alarms_per_day"] == pytest.approx(0.01, rel=1e-2)
    assert told["effective_windows"] <= 120


def test_a_short_clip_is_repeated_and_the_output_says_so(run_main: Run, machine_wav: Path, tmp_path: Path) -> None:
    samples = soundfile.read(machine_wav)[0]
    soundfile.write(tmp_path / "short.wav", samples[:48_000], 16_000)
    bank = tmp_path / "bank.npz"
    assert run_main("enroll", "--bank", bank, "--input", machine_wav).returncode == 0
    (line,) = run_main("score", tmp_path / "short.wav", "--bank", bank, "--json").stdout.splitlines()
    assert json.loads(line)["repeated"] is True
    assert "repeated" in run_main("score", tmp_path / "short.wav", "--bank", bank).stdout


@pytest.mark.parametrize(("stop_signal", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_it_with_a_summary(
    program: Path,
    short_model_path: Path,
    bank: Bank,
    machine_wav: Path,
    tmp_path: Path,
    stop_signal: signal.Signals,
    code: int,
) -> None:
    command = ["listen", "--bank", tmp_path / "bank.npz", "--model", short_model_path, "--hop", 1]
    command += ["--input", machine_wav, "--realtime"]
    process = subprocess.Popen(
        [str(program), *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any(" dB  score " in line for line in process.stdout)
    process.send_signal(stop_signal)
    text, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert errors == ""
    assert re.search(r"^\d+ windows? scored", text, re.MULTILINE)
    assert "highest score" in text


def test_a_reader_that_leaves_is_no_error(
    program: Path, short_model_path: Path, bank: Bank, machine_wav: Path, tmp_path: Path
) -> None:
    command = (
        f"{program} score {machine_wav} --bank {tmp_path / 'bank.npz'} --model {short_model_path} --hop 0.1 --json"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_the_bank_is_loaded_as_it_was_made(bank: Bank, tmp_path: Path) -> None:
    loaded = load_bank(str(tmp_path / "bank.npz"))
    assert loaded.info == bank.info
