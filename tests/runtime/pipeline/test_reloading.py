"""Banks are read anew while their machines are listened to: no sound is lost, and what is broken changes nothing."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from linear_model import write_linear_model
from objects import valid_objects

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import (
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
)
from asd_edge.runtime.pipeline import reloading
from asd_edge.runtime.pipeline.machine import stamp_of

SETTINGS = ListenSettings(hop_s=1.0)


def enrolled(path: Path, model: Path, sound: FileSource | SimulatedMachine, append: bool = False) -> Path:
    settings = EnrollSettings(path, hop_s=1.0, name="pump", append=append)
    enroll(sound, Model(model, threads=1), settings)
    return path


@pytest.fixture(scope="module")
def first(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrolled(tmp_path_factory.mktemp("bank") / "first.npz", short_model_path, FileSource(machine_wav))


@pytest.fixture(scope="module")
def second(short_model_path: Path, faulty_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of the faulty machine, by which it is well."""
    return enrolled(tmp_path_factory.mktemp("bank") / "second.npz", short_model_path, FileSource(faulty_wav))


@pytest.fixture(autouse=True)
def only_when_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are not looked at by themselves, however long a test takes; one test says otherwise."""
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 600.0)


@pytest.fixture
def bank(first: Path, tmp_path: Path) -> Path:
    path = tmp_path / "pump.npz"
    path.write_bytes(first.read_bytes())
    return path


class Heard:
    """A healthy machine that is listened to without an end, and faster than real."""

    def __init__(self, bank: Path, model: Model) -> None:
        self.machine = Machine(SimulatedMachine(day=5), model, load_bank(bank), SETTINGS, "pump", bank)
        self.scores: list[Score] = []
        self._wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.items = listen([self.machine], None, self._wishes)

    def listen(self, windows: int) -> None:
        """Listen to so many windows."""
        for _ in range(windows):
            item = next(self.items)
            assert isinstance(item, Score)
            self.scores.append(item)

    def reload(self) -> Event:
        """Let the bank be read anew, and listen until the machine says so."""
        self._wishes.put(True)
        for item in self.items:
            if isinstance(item, Event):
                return item
            self.scores.append(item)
        raise AssertionError("the sound has ended")

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        self.items.close()  # type: ignore[attr-defined]  # it is a generator


def test_another_bank_holds_from_the_next_window_on_and_no_sound_is_lost(
    bank: Path, second: Path, short_model: Model
) -> None:
    other = SETTINGS.threshold(load_bank(second)).value
    with Heard(bank, short_model) as heard:
        heard.listen(5)
        before = heard.machine.threshold.value
        bank.write_bytes(second.read_bytes())
        heard.listen(5)
        assert {score.threshold for score in heard.scores} == {before}
        event = heard.reload()
        assert (event.event, event.machine, event.threshold) == ("reloaded", "pump", other)
        told = len(heard.scores)
        heard.listen(5)
    assert [score.start_s for score in heard.scores] == [float(at) for at in range(len(heard.scores))]
    thresholds = [score.threshold for score in heard.scores]
    assert set(thresholds) == {before, other}
    assert thresholds == sorted(thresholds, key=[before, other].index), "once, and not back"
    assert set(thresholds[told:]) == {other}
    machine = Machine(SimulatedMachine(day=5), short_model, load_bank(second), SETTINGS)
    anew = (item.score for item in listen([machine]) if isinstance(item, Score) and item.start_s >= told)
    assert [score.score for score in heard.scores[told:]] == [next(anew) for _ in range(5)]
    anew.close()


def test_a_file_that_has_changed_is_read_without_a_wish_and_one_that_has_not_is_left_alone(
    bank: Path, first: Path, second: Path, short_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "LOOK_EVERY_S", 0.05)
    changed_meanwhile = stamp_of(bank)
    other = SETTINGS.threshold(load_bank(second)).value

    def next_event(heard: Heard) -> Event:
        return next(item for item in heard.items if isinstance(item, Event))

    with Heard(bank, short_model) as heard:
        began = time.monotonic()
        while time.monotonic() < began + 0.5:
            heard.listen(1)  # which fails at an event
        bank.write_bytes(second.read_bytes())
        event = next_event(heard)
        assert (event.event, event.threshold) == ("reloaded", other)
        bank.write_bytes(b"no bank")
        assert next_event(heard).event == "not_reloaded"
        replacement = bank.with_name("new.npz")
        replacement.write_bytes(first.read_bytes())
        replacement.replace(bank)
        assert next_event(heard).event == "reloaded"
    bank.write_bytes(second.read_bytes())
    machine = Machine(SimulatedMachine(day=5), short_model, load_bank(first), SETTINGS, "", bank, changed_meanwhile)
    told = next(item for item in listen([machine]) if isinstance(item, Event))
    assert told.event == "reloaded", "it changed while the program started"


def broken(path: Path, first: Path, _: Model) -> None:
    path.write_bytes(first.read_bytes()[:1000])


def gone(path: Path, _: Path, __: Model) -> None:
    path.unlink()


def a_folder(path: Path, _: Path, __: Model) -> None:
    path.unlink()
    path.mkdir()


def of_another_model(path: Path, _: Path, __: Model) -> None:
    model = write_linear_model(path.with_name("linear.onnx"))
    path.unlink()
    enrolled(path, model, SimulatedMachine(30.0))


def of_another_channel(path: Path, first: Path, _: Model) -> None:
    bank = load_bank(first)
    replace(bank, info=replace(bank.info, channel="mix")).save(path)


def too_small(path: Path, _: Path, model: Model) -> None:
    path.unlink()
    enroll(SimulatedMachine(3.0), model, EnrollSettings(path, hop_s=1.0))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (broken, "damaged"),
        (gone, "pump.npz"),
        (a_folder, "folder"),
        (of_another_model, "another model"),
        (of_another_channel, "another channel"),
        (too_small, "too few windows"),
    ],
)
def test_a_bank_that_cannot_be_used_is_told_and_the_old_one_stays(
    bank: Path, first: Path, short_model: Model, spoil: Callable[[Path, Path, Model], None], reason: str
) -> None:
    with Heard(bank, short_model) as heard:
        heard.listen(2)
        spoil(bank, first, short_model)
        event = heard.reload()
        assert (event.event, event.machine) == ("not_reloaded", "pump")
        assert reason in event.reason
        heard.listen(3)
        assert len({score.threshold for score in heard.scores}) == 1
        if bank.is_dir():
            bank.rmdir()
        bank.write_bytes(first.read_bytes())
        assert heard.reload().event == "reloaded"


def test_a_machine_refuses_a_bank_of_another_model_and_keeps_its_own(
    bank: Path, short_model: Model, tmp_path: Path
) -> None:
    machine = Machine(SimulatedMachine(), short_model, load_bank(bank), SETTINGS)
    model = write_linear_model(tmp_path / "linear.onnx")
    other = load_bank(enrolled(tmp_path / "other.npz", model, SimulatedMachine(30.0)))
    own: Bank = machine.bank
    with pytest.raises(InputError, match="another model"):
        machine.use(other)
    assert machine.bank is own


def read(stream: Iterator[str], event: str, said: list[dict[str, Any]]) -> None:
    for line in stream:
        said.append(json.loads(line))
        if said[-1]["event"] == event:
            return
    pytest.fail(f"no {event} in {said}")


def test_sighup_reads_banks_anew_while_sound_is_heard(
    program: Path, bank: Path, second: Path, short_model_path: Path, tmp_path: Path
) -> None:
    """Also twice, and whether or not the bank of the other machine is broken; no sound is lost."""
    other = tmp_path / "fan.npz"
    other.write_bytes(bank.read_bytes())
    command = [str(program), "listen", "--model", str(short_model_path), "--threads", "1", "--hop", "1", "--json"]
    command += ["--bank", str(bank), "--input", "simulated:day=1", "--bank", str(other), "--input", "simulated:day=2"]
    said: list[dict[str, Any]] = []
    with subprocess.Popen([*command, "--realtime"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            read(process.stdout, "score", said)
            bank.write_bytes(second.read_bytes())
            other.write_bytes(b"no bank")
            process.send_signal(signal.SIGHUP)
            read(process.stdout, "not_reloaded", said)
            other.write_bytes(second.read_bytes())
            process.send_signal(signal.SIGHUP)
            read(process.stdout, "reloaded", said)
            read(process.stdout, "reloaded", said)
            read(process.stdout, "score", said)
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    whole = "".join(json.dumps(each) + "\n" for each in said) + rest
    events = [each for each in valid_objects(whole) if "reloaded" in each["event"]]
    names = {str(path): each["machine"] for path, each in zip((bank, other), said, strict=False)}
    assert [(each["machine"], each["event"]) for each in events] == [
        (names[str(bank)], "reloaded"),
        (names[str(other)], "not_reloaded"),
        (names[str(bank)], "reloaded"),
        (names[str(other)], "reloaded"),
    ]
    for name in names.values():
        own = [each for each in valid_objects(whole) if each["machine"] == name]
        starts = [each["start_s"] for each in own if each["event"] == "score"]
        busy = sum(each["count"] for each in own if each["event"] == "skipped")  # by whatever else this computer does
        assert len(starts) + busy == starts[-1] + 1.0
        assert not {"gap", "overrun", "failed"} & {each["event"] for each in own}
