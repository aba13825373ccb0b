"""A live source that is not there when listening begins is waited for; what could never be opened is refused."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from objects import valid_objects
from program import Run

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import DeviceError, InputError, WrongDeviceError
from asd_edge.runtime import (
    Event,
    ListenSettings,
    Score,
    SimulatedMachine,
    Source,
    SourceRequest,
    listen,
)
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.machine_settings import MachineSettings
from asd_edge.runtime.pipeline.machines import open_machines
from asd_edge.runtime.sources import awaited

SETTINGS = ListenSettings(hop_s=1.0)


@pytest.fixture
def other_bank(bank: Path, tmp_path: Path) -> Path:
    path = tmp_path / "fan.npz"
    path.write_bytes(bank.read_bytes())
    return path


class Bell(Source):
    """A source of another package: three seconds of sound at its own pace, faster than real."""

    live = True

    def __init__(self, name: str) -> None:
        self.name = name

    def sound(self, stop: threading.Event) -> Iterator[Any]:
        for block in SimulatedMachine(3.0).sound(stop):
            stop.wait(0.05)
            yield block


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What each attempt to open ``bell:`` ends with, an error or the bell; the last one is for ever."""
    outcomes: list[Exception | None] = []

    def open_bell(request: SourceRequest) -> Source:
        outcome = outcomes[0] if len(outcomes) == 1 else outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return Bell(request.name)

    load, names = plugins.load, plugins.names
    monkeypatch.setattr(
        plugins, "load", lambda group, name, option: open_bell if name == "bell" else load(group, name, option)
    )
    monkeypatch.setattr(plugins, "names", lambda group: [*names(group), *(["bell"] if group == "sources" else [])])
    monkeypatch.setattr(awaited, "FIRST_RETRY_S", 0.02)
    return outcomes


def machine(bank: Path, require: bool = False, address: str = "bell://bob:secret@loft") -> MachineSettings:
    return MachineSettings(bank, input=(address,), require_devices=require)


def opened(machines: Sequence[MachineSettings], model: Path, settings: ListenSettings = SETTINGS) -> Any:
    return open_machines(machines, ModelsSettings((str(model),), "cpu", 1, cache=False), settings)


def summary(items: Sequence[Score | Event]) -> list[str]:
    """The kinds of items in their order, each once in a row."""
    kinds = [item.event if isinstance(item, Event) else "score" for item in items]
    return [kind for at, kind in enumerate(kinds) if kinds[at - 1 : at] != [kind]]


MISSING: list[Exception] = [
    DeviceError("The bell is not there.", got="loft"),
    ConnectionRefusedError(111, "Connection refused"),
    OSError(24, "Too many open files"),
    TimeoutError("bell://bob:secret@loft"),
]


@pytest.mark.parametrize("error", MISSING, ids=lambda error: type(error).__name__)
def test_a_source_of_another_package_is_waited_for(
    bank: Path, short_model_path: Path, tries: list[Exception | None], error: Exception
) -> None:
    tries += [error, error, error, None]
    (one,) = opened([machine(bank)], short_model_path)
    items = list(listen([one]))
    assert summary(items) == ["missing", "resumed", "score"]
    missing, resumed = (item for item in items if isinstance(item, Event))
    assert (missing.machine, missing.source, missing.start_s) == ("pump", "bell://loft", 0.0)
    assert "secret" not in missing.reason
    assert resumed.start_s >= 0.02 + 0.04
    assert resumed.duration_s == round(resumed.start_s, 1)
    scores = [item for item in items if isinstance(item, Score)]
    assert [score.start_s - resumed.start_s for score in scores] == pytest.approx([0.0, 1.0, 2.0], abs=1e-3)


def test_another_reason_is_told_and_the_same_is_not(
    bank: Path, short_model_path: Path, tries: list[Exception | None]
) -> None:
    """Also one that would have been refused at the start: by now others are listened to."""
    tries += [MISSING[0], MISSING[0], WrongDeviceError("Two bells match.", got="loft"), MISSING[0], MISSING[0], None]
    items = list(listen(opened([machine(bank)], short_model_path)))
    assert [item.reason for item in items if isinstance(item, Event)] == [
        "The bell is not there. loft",
        "Two bells match. loft",
        "The bell is not there. loft",
        "the source is there",
    ]


def test_the_others_go_on_meanwhile(
    bank: Path, other_bank: Path, short_model_path: Path, tries: list[Exception | None], faulty_wav: Path
) -> None:
    tries += [MISSING[0]]
    stop = threading.Event()
    machines = opened([machine(bank), MachineSettings(other_bank, input=(str(faulty_wav),))], short_model_path)
    heard: list[Score | Event] = []
    for item in listen(machines, stop):
        heard.append(item)
        if sum(isinstance(each, Score) for each in heard) == 30:
            stop.set()
    assert {item.machine for item in heard if isinstance(item, Score)} == {machines[1].name}
    assert [item.event for item in heard if isinstance(item, Event) and item.machine == machines[0].name] == ["missing"]


@pytest.mark.parametrize("error", MISSING, ids=lambda error: type(error).__name__)
def test_who_requires_the_devices_is_told_at_once(
    bank: Path, short_model_path: Path, tries: list[Exception | None], error: Exception
) -> None:
    tries += [error]
    with pytest.raises(DeviceError):
        opened([machine(bank, require=True)], short_model_path)


@pytest.mark.parametrize(
    "error", [InputError("No such bell."), WrongDeviceError("Two bells match."), ValueError("a bug")]
)
def test_what_waiting_does_not_mend_is_told_at_once(
    bank: Path, short_model_path: Path, tries: list[Exception | None], error: Exception
) -> None:
    tries += [error]
    with pytest.raises(type(error), match=str(error)):
        opened([machine(bank)], short_model_path)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--input", "simulated:speed=3"), "address"),
        (("--input", "bells:loft"), "neither a file"),
        (("--input", "missing.wav"), "no such sound file"),
        (("--input", "microphone:"), "no name"),
        (("--device", ""), "no name"),
        (("--device", "  "), "no name"),
    ],
)
def test_what_is_misspelt_is_told_at_once(
    run_main: Run, bank: Path, short_model_path: Path, arguments: tuple[str, ...], what: str
) -> None:
    done = run_main("listen", "--bank", bank, "--model", short_model_path, *arguments)
    assert done.returncode == 1
    assert what in done.stderr


def test_a_hop_that_is_too_long_for_what_came_is_told(
    bank: Path,
    other_bank: Path,
    short_model_path: Path,
    tries: list[Exception | None],
    faulty_wav: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How long a source is, is known when it is there; the machine beside it is heard to its end."""
    tries += [MISSING[0], None]
    monkeypatch.setattr(Bell, "duration_s", 3.0)
    machines = [machine(bank), MachineSettings(other_bank, input=(str(faulty_wav),))]
    heard: list[Score | Event] = []
    with pytest.raises(InputError, match="hop is longer"):
        heard.extend(listen(opened(machines, short_model_path, ListenSettings(hop_s=20.0))))
    assert sum(isinstance(item, Score) for item in heard) == 2


class Program:
    """`listen --json` in a process of its own, its objects as they come."""

    def __init__(self, command: Sequence[object]) -> None:
        self.process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
        self.seen: list[dict[str, Any]] = []
        self._coming: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._reader.join()
        self.process.communicate()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._coming.put(valid_objects(line)[0])

    def until(self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float = 40.0) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(queue.Empty):
                values = self._coming.get(timeout=max(0.01, deadline - time.monotonic()))
                self.seen.append(values)
                if wanted(values):
                    return values
            assert time.monotonic() < deadline, self.seen[-5:]


@pytest.mark.microphone
def test_a_microphone_that_is_plugged_in_later_is_heard_then(
    sound_server: Any, program: Path, bank: Path, other_bank: Path, short_model_path: Path, machine_wav: Path
) -> None:
    """Power is back and the sound system is not yet: the machine beside it is heard from the beginning."""
    sound_server.unplug()
    common = ["--model", short_model_path, "--threads", 1, "--hop", 0.5, "--json"]
    words = ["--bank", bank, "--input", "microphone:mic", "--bank", other_bank, "--input", "simulated:seed=0"]
    with Program([program, "listen", *words, *common, "--realtime"]) as listening, contextlib.ExitStack() as stack:
        missing = listening.until(lambda values: values["event"] == "missing")
        assert missing["source"] == "microphone:mic"
        for _ in range(3):
            listening.until(lambda values: values["event"] == "score" and values["machine"] != missing["machine"])
        sound_server.plug()
        player = sound_server.play(machine_wav)
        stack.callback(player.wait)
        stack.callback(player.kill)
        resumed = listening.until(lambda values: values["event"] == "resumed")
        assert (resumed["machine"], resumed["source"]) == (missing["machine"], "mic")
        score = listening.until(lambda values: values["event"] == "score" and values["machine"] == missing["machine"])
        assert score["start_s"] >= resumed["start_s"] - 0.2
        assert score["source"] == "mic"


@pytest.mark.microphone
def test_who_requires_a_microphone_has_an_error(
    sound_server: Any, run_main: Run, bank: Path, short_model_path: Path
) -> None:
    """And so has who asks for what fits several, required or not."""
    common = ("listen", "--bank", bank, "--model", short_model_path, "--json")
    required = run_main(*common, "--device", "turbine", "--require-devices")
    (error,) = valid_objects(required.stdout)
    assert required.returncode == 1
    assert error["event"] == "error"
    assert "no such microphone" in error["what"]
    several = run_main(*common, "--device", "u")  # pulse and default
    (error,) = valid_objects(several.stdout)
    assert several.returncode == 1
    assert "match" in error["what"]
