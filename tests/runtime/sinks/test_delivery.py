"""Several sinks: all hear the same, and one that fails does not keep the others from it."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
from documented_example import run_example
from objects import valid_objects, without_time
from program import Run

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import (
    Block,
    EnrollSettings,
    Event,
    FileSource,
    JsonLines,
    ListenSettings,
    Machine,
    Model,
    Request,
    Score,
    SimulatedMachine,
    Sink,
    Source,
    Summary,
    Terminal,
    deliver,
    ending,
    enroll,
    listen,
    load_bank,
)
from asd_edge.runtime.sinks import delivery as delivery_module
from asd_edge.runtime.sinks import lane as lane_module
from asd_edge.runtime.sinks import sink as sink_module
from asd_edge.runtime.sinks.opening import open_sink
from asd_edge.runtime.sources.source import Span

ITEMS: tuple[Score | Event, ...] = (
    Score("pump", "a.wav", 0.0, 1.0, 2.0, "normal", -20.0),
    Score("pump", "a.wav", 10.0, 3.0, 2.0, "anomaly", -20.0, alarm=True),
    Event(
        "alarm_on",
        "a.wav",
        10.0,
        "1 of the last 1 windows",
        machine="pump",
        score=3.0,
        threshold=2.0,
        window=Span(10.0, 20.0),
    ),
    Event("skipped", "mic", 0.0, "busy", count=4, machine="fan"),
)


class Kept(Sink):
    """A sink that keeps everything, and fails when it is told to."""

    def __init__(self, name: str = "kept", fails: str = "", error: BaseException | None = None) -> None:
        self.name = name
        self.seen: list[Score | Event] = []
        self.ended: list[Mapping[str, Summary]] = []
        self._fails = fails
        self._error = error or OSError("the disk is full")

    def _step(self, step: str) -> None:
        if step == self._fails:
            raise self._error

    def begin(self, machines: Sequence[Machine]) -> None:
        self._step("begin")

    def show(self, item: Score | Event) -> None:
        self._step("show")
        self.seen.append(item)

    def end(self, summaries: Mapping[str, Summary]) -> None:
        self.ended.append(summaries)
        self._step("end")


def test_every_sink_gets_everything_and_the_counts() -> None:
    sinks = [Kept(), Kept()]
    deliver(ITEMS, sinks)
    for sink in sinks:
        assert sink.seen == list(ITEMS)
        (summaries,) = sink.ended
        assert list(summaries) == ["pump", "fan"]
        assert summaries["pump"].values() == {
            "windows": 2,
            "anomalous": 1,
            "alarms": 1,
            "events": {},
            "late_blocks": 0,
        }
        assert summaries["pump"].words().startswith("2 windows scored, 1 above the threshold, 1 alarm\n")
        assert "highest score 3 at 00:10 of a.wav" in summaries["pump"].words()
        assert summaries["fan"].values()["events"] == {"skipped": 4}


@pytest.mark.parametrize(("step", "seen"), [("begin", 0), ("show", 0), ("end", 4)])
def test_a_sink_that_fails_is_told_once_and_the_others_go_on(
    step: str, seen: int, caplog: pytest.LogCaptureFixture
) -> None:
    bad, first, last = Kept("broken", step), Kept(), Kept()
    with caplog.at_level(logging.INFO, "asd_edge"):
        deliver(ITEMS, [first, bad, last])
    assert first.seen == last.seen == list(ITEMS)
    assert len(bad.seen) == seen
    assert [len(sink.ended) for sink in (first, bad, last)] == [1, 1, 1]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "The sink broken failed and is left out: OSError: the disk is full"


@pytest.mark.parametrize("step", ["begin", "show", "end"])
def test_the_error_of_the_last_sink_is_raised(step: str) -> None:
    sinks = [Kept("a", step, InputError("The first is lost.")), Kept("b", step, InputError("The last is lost."))]
    with pytest.raises(InputError, match="The last is lost"):
        deliver(ITEMS, sinks)
    assert [len(sink.ended) for sink in sinks] == [1, 1]


def test_a_sink_that_fails_again_while_it_ends_is_told_for_its_first_error(caplog: pytest.LogCaptureFixture) -> None:
    class Worse(Kept):
        def end(self, summaries: Mapping[str, Summary]) -> None:
            raise ZeroDivisionError

    good = Kept()
    with caplog.at_level(logging.INFO, "asd_edge"):
        deliver(ITEMS, [Worse("worse", "show"), good])
    assert [record.getMessage() for record in caplog.records] == [
        "The sink worse failed and is left out: OSError: the disk is full"
    ]
    assert good.seen == list(ITEMS)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("The microphone is gone.")])
def test_what_ends_the_listening_passes_and_every_sink_ends(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a sink cannot end: what ended the listening is what is raised."""

    def heard() -> Iterator[Score | Event]:
        yield from ITEMS
        raise error

    sinks = [Kept("a"), Kept("b", "end"), Kept("c")]
    with pytest.raises(type(error)):
        deliver(heard(), sinks)
    with pytest.raises(type(error)):
        deliver(heard(), sinks[1:2])
    assert [len(sink.ended) for sink in sinks] == [1, 2, 1]
    assert [record.name for record in caplog.records] == ["asd_edge.runtime.sinks.delivery"] * 2


def test_ctrl_c_in_a_sink_is_no_failure_of_it() -> None:
    sinks = [Kept("a"), Kept("b", "show", KeyboardInterrupt()), Kept("c")]
    with pytest.raises(KeyboardInterrupt):
        deliver(ITEMS, sinks)
    assert [len(sink.ended) for sink in sinks] == [1, 1, 1]


def test_the_sinks_of_the_project() -> None:
    assert {"json", "terminal"} <= set(plugins.names("sinks"))


def test_json_is_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        sink = open_sink(f"json:{path}")
        assert isinstance(sink, JsonLines)
        assert sink.name == f"json:{path}"
        deliver(ITEMS, [sink])
    lines = list(map(without_time, valid_objects(path.read_text())))
    assert len(lines) == 8
    assert lines[:4] == lines[4:]
    assert lines[0] == {
        "event": "score",
        "schema": 1,
        "machine": "pump",
        "source": "a.wav",
        "start_s": 0.0,
        "score": 1.0,
        "threshold": 2.0,
        "decision": "normal",
        "level_dbfs": -20.0,
        "alarm": False,
        "repeated": False,
    }
    assert lines[2] == {
        "event": "alarm_on",
        "schema": 1,
        "source": "a.wav",
        "start_s": 10.0,
        "reason": "1 of the last 1 windows",
        "machine": "pump",
        "score": 3.0,
        "threshold": 2.0,
        "window": {"start_s": 10.0, "end_s": 20.0},
    }


def test_a_sink_that_cannot_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no sink of that name") as unknown:
        open_sink("pigeon://bob:secret@loft")
    assert unknown.value.got == "pigeon"
    assert "json" in unknown.value.valid
    with pytest.raises(InputError, match="cannot be written") as nowhere:
        open_sink(f"json:{tmp_path}/missing/events.jsonl")
    assert "missing" in nowhere.value.got
    monkeypatch.setattr(plugins, "load", lambda *_: str)
    with pytest.raises(InputError, match="is no sink"):
        open_sink("json")


@pytest.fixture(scope="module")
def bank(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    enroll(FileSource(machine_wav), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=1.0))
    return path


def test_listen_tells_several_sinks(
    run_main: Run, short_model_path: Path, bank: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    common = ("listen", "--bank", bank, "--model", short_model_path, "--input", faulty_wav, "--hop", 1)
    events = tmp_path / "events.jsonl"
    both = run_main(*common, "--sink", "terminal", "--sink", f"json:{events}")
    assert both.returncode == 0, both.stderr
    assert both.stdout == run_main(*common).stdout
    kept, *told = (
        list(map(without_time, valid_objects(text)))
        for text in (events.read_text(), run_main(*common, "--json").stdout, run_main(*common, "--sink", "json").stdout)
    )
    assert told == [kept, kept]
    wrong = run_main(*common, "--sink", "pigeon")
    assert wrong.returncode == 1
    assert "no sink of that name" in wrong.stderr


@pytest.mark.parametrize("kind", ["json", "terminal"])
def test_a_reader_that_leaves_does_not_keep_a_file_from_being_written(
    kind: str, program: Path, short_model_path: Path, bank: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    """And where nobody else is left, it ends the program without a word."""
    alone = f"{program} listen --bank {bank} --model {short_model_path} --input {faulty_wav} --hop 0.05 --sink {kind}"

    def left_by_its_reader(command: str) -> subprocess.CompletedProcess[str]:
        script = f"set -o pipefail; {command} | head -1"
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    done = left_by_its_reader(alone)
    assert (done.returncode, done.stderr) == (0, "")
    events = tmp_path / "events.jsonl"
    done = left_by_its_reader(f"{alone} --sink json:{events}")
    assert done.returncode == 0
    assert done.stderr == f"The sink {kind} failed and is left out: BrokenPipeError: [Errno 32] Broken pipe\n"
    lines = valid_objects(events.read_text())
    assert sum(line["event"] == "score" for line in lines) == 581
    assert lines[-1]["event"] == "summary"


class Late(Source):
    """A source that is heard as it happens, and whose sound came late three times."""

    name, live = "usb", True
    late_blocks = 3

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        yield from SimulatedMachine(3.0).sound(stop)


def test_every_object_has_its_time_and_live_sound_has_it_in_the_terminal(
    short_model: Model, bank: Path, machine_wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are played at their own pace have the position in the file, as when they are read at once.

    How often sound came late is told at the end.
    """
    short = tmp_path / "short.wav"
    soundfile.write(short, soundfile.read(machine_wav)[0][:32_000], 16_000)
    settings = ListenSettings(hop_s=1.0)
    machines = [
        Machine(source, short_model, load_bank(bank), settings, name)
        for source, name in ((Late(), "live"), (FileSource(short, realtime=True), "played"))
    ]
    began = datetime.now(timezone.utc).replace(microsecond=0)
    deliver(listen(machines), [JsonLines(str(tmp_path / "events.jsonl")), Terminal()], machines)
    lines = valid_objects((tmp_path / "events.jsonl").read_text())
    times = [began, *(datetime.fromisoformat(line["time"]) for line in lines), datetime.now(timezone.utc)]
    assert times == sorted(times)
    assert {line["machine"]: line["source"] for line in lines[:2]} == {"live": "usb", "played": str(short)}
    assert {line["machine"]: line["late_blocks"] for line in lines[-2:]} == {"live": 3, "played": 0}
    shown = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d:\d\d  live    ", shown, re.MULTILINE)
    assert re.search(r"^00:01  played  ", shown, re.MULTILINE)
    assert re.search(r"^live: .* 3 late blocks", shown, re.MULTILINE)


def test_the_example_of_the_documentation_works(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str]] = []
    syslog = SimpleNamespace(LOG_ALERT=1, openlog=lambda name: None, syslog=lambda *what: told.append(what))
    monkeypatch.setitem(sys.modules, "syslog", syslog)  # type: ignore[arg-type]
    sink = run_example(sink_module, "open_syslog")(Request("syslog", "asd"))
    assert isinstance(sink, Sink)
    deliver(ITEMS, [sink])
    assert told == [(1, "pump: 1 of the last 1 windows")]


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    """A full disk or a kill leaves half a line; what is appended afterwards begins a new one."""
    path = tmp_path / "events.jsonl"
    for before in ("", '{"event": "gap"}\n', '{"event": "sco'):
        path.write_text(before)
        deliver(ITEMS, [JsonLines(path)])
        rest = path.read_text().removeprefix(before)
        assert rest.startswith("\n") == (before != "" and not before.endswith("\n"))
        assert len(valid_objects(rest.lstrip("\n"))) == 4


class Hanging(Kept):
    """A sink that hangs in its first item until it is let go."""

    def __init__(self, name: str = "hanging") -> None:
        super().__init__(name)
        self.let_go = threading.Event()

    def show(self, item: Score | Event) -> None:
        assert self.let_go.wait(30.0)
        super().show(item)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """Patience and room are less than they are, so that tests take no longer than they must."""
    monkeypatch.setattr(delivery_module, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(delivery_module, "_END_S", 0.3)
    monkeypatch.setattr(lane_module, "MOST_WAITING", 3)
    sink = Hanging()
    yield sink
    sink.let_go.set()
    deadline = time.monotonic() + 10.0
    while ending.hanging():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sink_that_hangs_keeps_nobody_waiting_and_gets_all_when_it_goes_on(hanging: Hanging) -> None:
    other = Kept()

    def heard() -> Iterator[Score | Event]:
        yield from ITEMS[:3]
        assert other.seen == list(ITEMS[:3])
        assert hanging.seen == []
        hanging.let_go.set()
        yield ITEMS[3]

    deliver(heard(), [hanging, other])
    assert hanging.seen == other.seen == list(ITEMS)
    assert [len(sink.ended) for sink in (hanging, other)] == [1, 1]


def test_recorded_sound_waits_for_a_sink_that_has_too_much_to_do(hanging: Hanging) -> None:
    given: list[int] = []

    def heard() -> Iterator[Score | Event]:
        for at in range(20):
            given.append(at)
            yield ITEMS[0]

    threading.Timer(1.0, lambda: hanging.let_go.set() if len(given) < 6 else None).start()
    deliver(heard(), [hanging])
    assert len(hanging.seen) == 20


def live(model: Model, bank: Path) -> Machine:
    return Machine(Late(), model, load_bank(bank), ListenSettings(hop_s=1.0), "pump")


def test_live_sound_leaves_out_a_sink_that_hangs_for_too_long(
    hanging: Hanging, short_model: Model, bank: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine, other = live(short_model, bank), Kept()
    with caplog.at_level(logging.INFO, "asd_edge"):
        deliver([ITEMS[0]] * 20, [hanging, other], [machine])
    assert len(other.seen) == 20
    (record,) = caplog.records
    assert "The sink hanging failed and is left out: TimeoutError: it hangs" in record.getMessage()
    with pytest.raises(InputError, match="cannot be written anywhere") as error:
        deliver([ITEMS[0]] * 20, [hanging], [machine])
    assert "hanging: it hangs" in error.value.got


def test_a_stop_waits_for_no_sink_that_hangs(hanging: Hanging, caplog: pytest.LogCaptureFixture) -> None:
    """And it is no failure, even where no other sink is left."""
    stop, other = threading.Event(), Kept()

    def heard() -> Iterator[Score | Event]:
        yield ITEMS[0]
        stop.set()

    began = time.monotonic()
    deliver(heard(), [hanging, other], (), stop)
    deliver(heard(), [hanging], (), stop)
    assert time.monotonic() - began < 5.0
    assert other.seen == [ITEMS[0]]
    assert len(other.ended) == 1
    assert len(caplog.records) == 2


@pytest.mark.parametrize("step", ["begin", "show", "end"])
def test_the_sources_are_closed_when_the_last_sink_has_failed(step: str) -> None:
    closed: list[bool] = []

    def heard() -> Iterator[Score | Event]:
        try:
            yield from ITEMS
        finally:
            closed.append(True)

    items = heard()
    next(items)
    stop = threading.Event()
    with pytest.raises(InputError, match="cannot be written"):
        deliver(items, [Kept(fails=step)], (), stop)
    assert closed == [True]
    assert stop.is_set()


def test_a_sink_that_is_named_twice_is_one(run_main: Run, short_model_path: Path, bank: Path, tmp_path: Path) -> None:
    common = ("--bank", bank, "--model", short_model_path, "--input", "simulated:duration=3", "--hop", 2)
    done = run_main("listen", *common, "--json", "--sink", "json")
    assert [values["event"] for values in valid_objects(done.stdout)] == ["listening", "score", "score", "summary"]
