"""What a user writes to be heard: paths, addresses and microphones."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import FileSource, SimulatedMachine, Source, SourceRequest
from asd_edge.runtime.request import shown
from asd_edge.runtime.sources.opening import open_source


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[SourceRequest]:
    """What the microphone and a camera from elsewhere are asked for; neither is opened."""
    asked: list[SourceRequest] = []

    def open_recorded(request: SourceRequest) -> Source:
        asked.append(request)
        return SimulatedMachine(name=request.name)

    def load(group: str, name: str, option: str) -> Any:
        assert (group, name) in {("sources", "microphone"), ("sources", "rtsp")}
        return open_recorded

    monkeypatch.setattr(plugins, "names", lambda group: ["files", "microphone", "rtsp"])
    monkeypatch.setattr(plugins, "load", load)
    return asked


def wav(path: Path, seconds: int = 2) -> Path:
    soundfile.write(path, np.full(16_000 * seconds, 0.1), 16_000)
    return path


def test_the_sources_of_the_project() -> None:
    assert {"files", "microphone", "simulated"} <= set(plugins.names("sources"))


def test_paths_are_files_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    paths = [wav(tmp_path / "b.wav"), wav(tmp_path / "folder" / "a.wav", 3)]
    source = open_source(None, [str(paths[0]), str(tmp_path / "folder")], 1)
    assert isinstance(source, FileSource)
    assert source.files == tuple(paths)
    assert (source.duration_s, source.longest_s) == (5.0, 3.0)


@pytest.mark.parametrize("name", ["pump:1.wav", "12:30.wav", "C:.wav", "simulated:seed=3"])
def test_a_path_with_a_colon_that_is_there_is_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / name, np.full(32_000, 0.1), 16_000, format="WAV")
    monkeypatch.chdir(tmp_path)
    source = open_source(None, [name], 1)
    assert isinstance(source, FileSource)
    assert source.name == name


@pytest.mark.parametrize("name", ["nothing.wav", "C:\\sound\\nothing.wav", "12:30.wav", "./a:b.wav"])
def test_a_path_that_is_not_there_is_refused_as_a_file(name: str) -> None:
    with pytest.raises(InputError, match="no such sound file"):
        open_source(None, [name], 1)


def test_files_can_be_named_by_their_scheme(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav")
    source = open_source(None, [f"files://{path}"], 1, realtime=True)
    assert isinstance(source, FileSource)
    assert source.files == (path,)
    assert source.live


def test_a_simulated_machine_by_its_address() -> None:
    assert open_source(None, ["simulated:"], 1) == SimulatedMachine()
    wanted = open_source(None, ["simulated:seed=3,day=1,duration=5,fault_begins=1,fault_full=2.5"], 1)
    assert wanted == SimulatedMachine(5.0, 3, 1, 1.0, 2.5)
    assert len(list(wanted.sound(threading.Event()))) == 5


@pytest.mark.parametrize("address", ["speed=3", "seed", "seed=fast", "seed=1.5"])
def test_an_address_that_cannot_be_used_lists_what_can(address: str) -> None:
    with pytest.raises(InputError, match="simulated cannot be used") as error:
        open_source(None, [f"simulated:{address}"], 1)
    assert error.value.got == address
    assert "seed=NUMBER, day=NUMBER" in error.value.valid


def test_an_unknown_scheme_lists_what_there_is_and_tells_no_password() -> None:
    with pytest.raises(InputError, match="nor a source of this scheme") as error:
        open_source(None, ["carrier://bob:secret@pigeon/1?key=secret#secret"], 1)
    assert error.value.got == "carrier://pigeon/1"
    assert "simulated:..." in error.value.valid
    assert "secret" not in str(error.value)


def test_a_source_is_asked_for_what_the_user_wrote(requests: list[SourceRequest]) -> None:
    camera = open_source(None, ["rtsp://bob:secret@camera/1?key=secret"], 2, realtime=True)
    assert camera.name == "rtsp:camera/1"
    (request,) = requests
    assert request.address == "bob:secret@camera/1?key=secret"
    assert (request.channel, request.realtime, request.remembered) == (2, True, False)
    assert "secret" not in repr(request)


@pytest.mark.parametrize(("device", "inputs"), [("usb", []), (None, ["microphone:usb"])])
def test_a_microphone_by_option_and_by_scheme(
    device: str | None, inputs: list[str], requests: list[SourceRequest]
) -> None:
    open_source(device, inputs, "mix", remembered="another")
    assert requests == [SourceRequest("microphone", "usb", "mix")]


@pytest.mark.parametrize(
    ("remembered", "scheme", "address"),
    [
        ("USB PnP Sound Device: Audio (hw:1,0)", "microphone", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("hw:1,0", "microphone", "hw:1,0"),
        ("rtsp://camera/1", "rtsp", "camera/1"),
    ],
)
def test_without_a_wish_the_source_that_the_bank_remembers_is_opened(
    remembered: str, scheme: str, address: str, requests: list[SourceRequest]
) -> None:
    open_source(None, [], 1, remembered)
    assert requests == [SourceRequest(scheme, address, 1, remembered=True)]


@pytest.mark.parametrize(
    ("device", "inputs", "what"),
    [
        (None, [], "nothing to listen to"),
        ("usb", ["a.wav"], "Both a microphone and another input"),
        (None, ["simulated:", "a.wav"], "An address cannot be heard together"),
    ],
)
def test_wishes_that_do_not_go_together(device: str | None, inputs: list[str], what: str) -> None:
    with pytest.raises(InputError, match=what):
        open_source(device, inputs, 1)


def test_what_an_entry_point_makes_must_be_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "load", lambda *_: lambda request: "a.wav")
    with pytest.raises(InputError, match="is no source"):
        open_source(None, ["simulated:"], 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://camera/1", "rtsp://camera/1"),
        ("rtsp://bob:pass@camera:554/1", "rtsp://camera:554/1"),
        ("mqtt:bob@host/topic?token=1", "mqtt:host/topic"),
        ("json", "json"),
        ("json:a@b/c.jsonl", "json:b/c.jsonl"),
    ],
)
def test_addresses_are_shown_without_what_is_secret(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_one_path_is_one_path_and_not_its_letters(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav")
    for given in (str(tmp_path), tmp_path, [tmp_path], (str(path),)):
        assert FileSource(given).files == (path,)
    with pytest.raises(InputError, match="no path of sound"):
        FileSource([])
    for wrong in (3, None, [None]):
        with pytest.raises(InputError, match="cannot use this value of paths"):
            FileSource(wrong)  # type: ignore[arg-type]
