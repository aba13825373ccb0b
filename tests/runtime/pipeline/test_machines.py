"""Several machines in one process: a fair share of the model, alarms of their own, and others that go on."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from linear_model import write_linear_model
from objects import valid_objects
from program import Run

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.runtime import (
    AlarmRule,
    Block,
    EnrollSettings,
    Event,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    Score,
    Source,
    enroll,
    listen,
)
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.machine_settings import MachinesSettings
from asd_edge.runtime.pipeline.machines import open_machines

SETTINGS = ListenSettings(hop_s=1.0, rule=AlarmRule(2, 3), false_alarms_per_day=100.0)


@pytest.fixture
def bank_path(short_model: Model, machine_wav: Path, tmp_path: Path) -> Path:
    path = tmp_path / "pump.npz"
    enroll(FileSource([machine_wav]), short_model, EnrollSettings(path, hop_s=1.0, name="pump 3"))
    return path


@pytest.fixture
def bank(bank_path: Path) -> Bank:
    from asd_edge.runtime import load_bank

    return load_bank(bank_path)


class Clock:
    """Time that passes only while the model works, and waits for the sources to give what is due by then.

    Args:
        now_s: When it begins.
    """

    def __init__(self, now_s: float) -> None:
        self.changed = threading.Condition()
        self.now_s = now_s
        self.sources: list[Paced] = []

    def advance(self, by_s: float) -> None:
        with self.changed:
            self.now_s += by_s
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: all(each.due_s > self.now_s for each in self.sources), 30.0)


class Paced(Source):
    """A live source of noise whose blocks come when the clock says so.

    Args:
        clock: It.
        name: Its name.
        start_s: When it begins.
        end_s: When it ends.
    """

    live = True

    def __init__(self, clock: Clock, name: str, start_s: float, end_s: float) -> None:
        self.name = name
        self.due_s = 0.0
        self._clock = clock
        self._start_s = start_s
        self._end_s = end_s
        clock.sources.append(self)

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        rng = np.random.default_rng(0)
        recording = Recording(self.name, self.name)
        for index in range(round(4 * (self._end_s - self._start_s))):
            start_s = 0.25 * index
            with self._clock.changed:
                self.due_s = self._start_s + start_s + 0.25
                self._clock.changed.notify_all()
                self._clock.changed.wait_for(lambda: self._clock.now_s >= self.due_s)
            yield Block(rng.normal(0, 0.1, (4000, 1)).astype(np.float32), 16_000, recording, start_s)
        with self._clock.changed:
            self.due_s = float("inf")
            self._clock.changed.notify_all()


class Slow(Model):
    """A model that takes a while by the clock.

    Args:
        path: Of the real one.
        clock: The clock.
        takes_s: For a window.
    """

    def __init__(self, path: Path, clock: Clock, takes_s: float) -> None:
        super().__init__(path, threads=1)
        self._clock = clock
        self._takes_s = takes_s

    def embed(self, samples: Any) -> Any:
        self._clock.advance(self._takes_s)
        return super().embed(samples)


def overloaded(
    hops_s: list[float], takes_s: float, path: Path, bank: Bank
) -> tuple[list[tuple[float, Score]], Counter[str]]:
    """Scores with the time they came at, and how many windows were skipped, by machine.

    All end at 30 s. The first has a window when the model begins, the others when it is through with that one.
    """
    clock = Clock(1.0 - takes_s)
    model = Slow(path, clock, takes_s)
    machines = [
        Machine(Paced(clock, name, start_s, 30.0), model, bank, ListenSettings(hop_s, percentile=90.0), name)
        for name, start_s, hop_s in zip("abc", (-takes_s, 0.0, 0.0), hops_s, strict=False)
    ]
    scores, skipped = [], Counter[str]()
    for item in listen(machines):
        if isinstance(item, Score):
            scores.append((clock.now_s, item))
        else:
            assert item.event in {"skipped", "alarm_on", "alarm_off"}
            skipped[item.machine] += item.count or 0
    return scores, skipped


def test_machines_that_outrun_the_model_take_turns(short_model_path: Path, bank: Bank) -> None:
    """Three machines with a window a second each, and a model that takes a second: each has every third."""
    scores, skipped = overloaded([1.0, 1.0, 1.0], 1.0, short_model_path, bank)
    order = "".join(score.machine for _, score in scores)
    assert order == ("abc" * len(order))[: len(order)]
    assert order.count("a") >= 10
    for name, produced in zip("abc", (31, 30, 30), strict=True):
        assert order.count(name) + skipped[name] == produced


@pytest.mark.parametrize("hops_s", [[0.25, 5.0], [0.25, 1.0, 5.0], [5.0, 0.25, 0.25]])
def test_a_short_hop_cannot_starve_a_long_one(short_model_path: Path, bank: Bank, hops_s: list[float]) -> None:
    """Whoever asks for little gets all of it, and soon: after the window in work and one of each other machine."""
    takes_s = 0.5
    scores, skipped = overloaded(hops_s, takes_s, short_model_path, bank)
    begun_s = {"a": -takes_s, "b": 0.0, "c": 0.0}
    for name, hop_s in zip("abc", hops_s, strict=False):
        scored = sum(score.machine == name for _, score in scores)
        produced = int((29.0 - begun_s[name]) / hop_s) + 1
        assert scored + skipped[name] == produced
        if hop_s == 5.0:
            assert skipped[name] == 0
        if hop_s == 0.25:
            assert skipped[name] > 0
    for came_s, score in scores:
        waited_s = came_s - takes_s - (begun_s[score.machine] + score.start_s + 1.0)
        assert waited_s <= len(hops_s) * takes_s


def test_each_machine_is_heard_as_if_it_were_alone(
    short_model: Model, bank: Bank, machine_wav: Path, faulty_wav: Path
) -> None:
    """Scores, decisions and alarms of two machines together are those of each alone: files wait for their turn."""

    def machine(path: Path, name: str) -> Machine:
        return Machine(FileSource([path]), short_model, bank, SETTINGS, name)

    pump, fan = machine(machine_wav, "pump"), machine(faulty_wav, "fan")
    together = list(listen([pump, fan]))
    assert [item for item in together if item.machine == "pump"] == list(listen([pump]))
    assert [item for item in together if item.machine == "fan"] == list(listen([fan]))
    alarms = [item for item in together if isinstance(item, Event)]
    assert {alarm.machine for alarm in alarms} == {"fan"}


def test_a_source_that_fails_is_told_and_the_others_go_on(
    short_model: Model, bank: Bank, machine_wav: Path, tmp_path: Path
) -> None:
    samples = soundfile.read(machine_wav)[0][:80_000].copy()
    samples[30_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    sources = {"bad": tmp_path / "nan.wav", "good": machine_wav}
    machines = [Machine(FileSource([path]), short_model, bank, SETTINGS, name) for name, path in sources.items()]
    heard: list[Score | Event] = []
    with pytest.raises(SoundError, match="not numbers"):
        heard.extend(listen(machines))
    failed = [item for item in heard if isinstance(item, Event) and item.event == "failed"]
    assert [(item.machine, item.source) for item in failed] == [("bad", str(tmp_path / "nan.wav"))]
    assert "not numbers" in failed[0].reason
    assert sum(isinstance(item, Score) and item.machine == "good" for item in heard) == 120


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError(), PermissionError(13, "Denied")])
def test_what_the_system_refuses_one_source_ends_that_one_alone(
    short_model: Model, bank: Bank, machine_wav: Path, error: Exception
) -> None:
    class Refused(Source):
        name, live = "refused", True

        def sound(self, stop: threading.Event) -> Iterator[Block]:
            raise error
            yield

    machines = [
        Machine(Refused(), short_model, bank, SETTINGS, "bad"),
        Machine(FileSource([machine_wav]), short_model, bank, SETTINGS, "good"),
    ]
    heard: list[Score | Event] = []
    with pytest.raises(type(error)):
        heard.extend(listen(machines))
    failed = [item for item in heard if isinstance(item, Event) and item.event == "failed"]
    assert [(item.machine, item.reason) for item in failed] == [("bad", str(error) or "MemoryError")]
    assert sum(isinstance(item, Score) and item.machine == "good" for item in heard) == 120


def test_a_bug_in_a_source_is_not_hidden(short_model: Model, bank: Bank, machine_wav: Path) -> None:
    class Broken(Source):
        name, live = "broken", True

        def sound(self, stop: threading.Event) -> Iterator[Block]:
            raise ZeroDivisionError
            yield

    good = Machine(FileSource([machine_wav]), short_model, bank, SETTINGS, "good")
    with pytest.raises(ZeroDivisionError):
        list(listen([Machine(Broken(), short_model, bank, SETTINGS), good]))


def test_a_machine_goes_by_its_bank_or_else_by_its_source(short_model: Model, bank: Bank, machine_wav: Path) -> None:
    source = FileSource([machine_wav])
    assert Machine(source, short_model, bank).name == "pump 3"
    assert Machine(source, short_model, bank, name="left pump").name == "left pump"
    nameless = replace(bank, info=replace(bank.info, name=""))
    assert Machine(source, short_model, nameless).name == str(machine_wav)
    with pytest.raises(InputError, match="same name"):
        listen([Machine(source, short_model, bank)] * 2)


@pytest.fixture
def two_models(
    short_model_path: Path, machine_wav: Path, faulty_wav: Path, bank_path: Path, tmp_path: Path
) -> list[Any]:
    """Options for two machines whose banks were made by different models."""
    linear = write_linear_model(tmp_path / "linear.onnx")
    other = tmp_path / "fan.npz"
    enroll(FileSource([machine_wav]), Model(linear, threads=1), EnrollSettings(other, hop_s=1.0))
    banks = ["--bank", bank_path, "--input", faulty_wav, "--bank", other, "--input", machine_wav]
    return [*banks, "--model", linear, "--model", short_model_path, "--hop", 1, "--threads", 1]


def test_every_line_of_json_says_which_machine(run_main: Run, two_models: list[Any], faulty_wav: Path) -> None:
    """Each bank finds its model, and has its threshold, alarm and summary told."""
    done = run_main("listen", *two_models, "--percentile", 90, "--alarm", "4/5", "--json")
    assert done.returncode == 0, done.stderr
    lines = valid_objects(done.stdout)
    assert [(line["event"], line["machine"]) for line in (*lines[:2], *lines[-2:])] == [
        ("listening", "pump 3"),
        ("listening", "fan.npz"),
        ("summary", "pump 3"),
        ("summary", "fan.npz"),
    ]
    assert Counter(line["machine"] for line in lines if line["event"] == "score") == {"pump 3": 30, "fan.npz": 120}
    assert {line["source"] for line in lines if line["machine"] == "pump 3"} == {str(faulty_wav)}
    assert [line["machine"] for line in lines if line["event"] == "alarm_on"] == ["pump 3"]
    assert (lines[-2]["windows"], lines[-2]["alarms"]) == (30, 1)
    assert (lines[-1]["windows"], lines[-1]["alarms"]) == (120, 0)
    assert lines[0]["threshold"] != lines[1]["threshold"]


def test_the_terminal_has_a_row_for_each_machine(run_main: Run, two_models: list[Any], monkeypatch: Any) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what is shown in a terminal, without one
    monkeypatch.setenv("COLUMNS", "100")
    shown = run_main("listen", *two_models).stdout
    assert "pump 3 " in shown
    rows = [line for line in shown.splitlines() if "% of the threshold" in line or "no window yet" in line]
    assert {name for row in rows for name in ("pump 3 ", "fan.npz") if name in row} == {"pump 3 ", "fan.npz"}
    monkeypatch.delenv("FORCE_COLOR")
    plain = run_main("listen", *two_models).stdout
    assert plain.count("Alarm: on after") == 2
    assert "00:00  pump 3   " in plain
    assert "00:00  fan.npz  " in plain
    assert "\npump 3: 30 windows scored" in plain
    assert "\nfan.npz: 120 windows scored" in plain
    assert "% of the threshold" not in plain


def test_machines_of_one_model_share_it(
    short_model_path: Path, bank_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    """One session in memory, even where the model is there under two names; and banks of one name go by their paths."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pump.npz").write_bytes(bank_path.read_bytes())
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(short_model_path.read_bytes())
    banks = [tmp_path / "a" / "pump.npz", tmp_path / "b" / "pump.npz"]
    wanted = MachinesSettings(tuple(banks), input=(str(machine_wav),) * 2).each()
    models = ModelsSettings((str(short_model_path), str(copy)), "cpu", 1, cache=False)
    machines = open_machines(wanted, models, SETTINGS)
    assert machines[0].model is machines[1].model
    assert [machine.name for machine in machines] == [str(bank) for bank in banks]


def assert_refused(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """The error is told on standard error and, where a program reads objects, as the one object of standard output."""
    assert done.returncode == 1, done.stdout + done.stderr
    for told in valid_objects(done.stdout):
        assert (told["event"], told["exit_code"]) == ("error", 1)
        assert told["what"] in done.stderr
    assert len(done.stdout.splitlines()) == ("--json" in done.args)
    assert "Traceback" not in done.stderr
    for text in (*texts, "got:", "valid:", "next:"):
        assert text in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("devices", "files", "got"),
    [
        (["a"], [], "2 --bank, 1 --device"),
        (["a", "b", "c"], [], "2 --bank, 3 --device"),
        ([], ["a.wav"], "2 --bank, 1 --input"),
        (["usb", "3"], [], "--device 3"),
    ],
)
def test_several_microphones_and_banks_must_fit_together(devices: list[str], files: list[str], got: str) -> None:
    with pytest.raises(InputError) as refused:
        MachinesSettings((Path("pump.npz"), Path("fan.npz")), tuple(devices), tuple(files))
    assert refused.value.got == got


def test_options_that_do_not_fit_together(
    run_main: Run, bank_path: Path, short_model_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "fan.npz"
    other.write_bytes(bank_path.read_bytes())
    assert_refused(run_main("listen", "--bank", bank_path, "--device", "a", "--device", "b"), "1 --bank, 2 --device")
    again = tmp_path / "nowhere" / ".." / "pump.npz"
    assert_refused(run_main("listen", "--bank", bank_path, "--bank", again), "same bank", "pump.npz")
    two = ("listen", "--bank", bank_path, "--bank", other, "--model", short_model_path)
    assert_refused(run_main(*two), f"{bank_path}: There is nothing to listen to")


def test_a_bank_that_cannot_be_used_is_named(
    run_main: Run, bank_path: Path, short_model: Model, short_model_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    """No machine is listened to before all of them can be."""
    short = tmp_path / "short.wav"
    soundfile.write(short, soundfile.read(machine_wav)[0][:48_000], 16_000)
    enroll(FileSource([short]), short_model, EnrollSettings(tmp_path / "few.npz", hop_s=1.0, name="fan"))
    common = ("listen", "--bank", bank_path, "--input", machine_wav, "--model", short_model_path, "--hop", 1, "--json")
    few = run_main(*common, "--bank", tmp_path / "few.npz", "--input", machine_wav)
    assert_refused(few, "fan: The bank has too few windows")
    missing = run_main(*common, "--bank", tmp_path / "missing.npz", "--input", machine_wav)
    assert_refused(missing, "missing.npz")
    linear = write_linear_model(tmp_path / "linear.onnx")
    enroll(FileSource([machine_wav]), Model(linear, threads=1), EnrollSettings(tmp_path / "b.npz", hop_s=1.0))
    other = run_main(*common, "--bank", tmp_path / "b.npz", "--input", machine_wav)
    assert_refused(other, "b.npz: The bank was made with another model")


def test_listening_to_nothing_ends_at_once() -> None:
    assert list(listen([])) == []


def test_the_error_of_the_last_source_is_raised(short_model: Model, bank: Bank, tmp_path: Path) -> None:
    class Deaf(Source):
        live = True

        def __init__(self, name: str) -> None:
            self.name = name

        def sound(self, stop: threading.Event) -> Iterator[Block]:
            raise InputError(f"{self.name} hears nothing.")
            yield

    heard: list[Score | Event] = []
    with pytest.raises(InputError, match="hears nothing"):
        heard.extend(listen([Machine(Deaf(name), short_model, bank, SETTINGS, name) for name in "ab"]))
    assert len(heard) <= 1
