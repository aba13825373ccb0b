"""The doctor opens each microphone and listens to it; and what is told where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hearing import write_tone

from asd_edge.runtime.reports.microphone_check import check_microphone
from asd_edge.runtime.sources.capture.input_devices import InputDevice
from asd_edge.runtime.sources.microphone import list_microphones

Run = Callable[..., Any]


@pytest.fixture
def no_microphone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No sound server runs, and no sound card is there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if found := list_microphones():
        pytest.skip(f"this computer has sound cards of its own: {found}")


def test_no_microphone_is_an_error_of_devices_and_a_problem_of_the_doctor(no_microphone: None, run_main: Run) -> None:
    listed = run_main("devices")
    assert listed.returncode == 1
    assert "No microphone found" in listed.stdout
    seen = run_main("doctor", "--model", "nowhere.onnx")
    assert seen.returncode == 1
    assert re.search(r"problem +microphone: PortAudio works, but there is no microphone", seen.stdout)


@pytest.mark.microphone
def test_the_doctor_hears_each_microphone(sound_server: Any, run_main: Run, tmp_path: Path) -> None:
    """One hears a tone of -20 dBFS (0.1414 in amplitude), and one digital zeros."""
    sound_server.plug("other")
    with Path(sound_server.environment["HOME"], ".asoundrc").open("a") as settings:
        settings.write("pcm.muted { type pulse  device other.monitor  hint { show on } }\n")
    player = sound_server.play(write_tone(tmp_path / "tone.wav", 0.1414, 500.0))
    try:
        sound_server.control("set-default-source", "machine.monitor")
        told = run_main("doctor", "--model", "nowhere.onnx").stdout
    finally:
        player.kill()
        player.wait()
    assert re.search(r"^ok +microphone mic: 44100 Hz, 2 channels, -(19\.9|20\.0|20\.1) dBFS$", told, re.MULTILINE), told
    assert re.search(
        r"^look +microphone muted: 44100 Hz, 2 channels, .*; digital zeros for 1\.\d s$", told, re.MULTILINE
    )
    assert "-> unmute it" in told


@pytest.mark.microphone
def test_a_microphone_that_opens_and_gives_nothing_is_found_out(sound_server: Any) -> None:
    sound_server.control("suspend-source", "machine.monitor", "1")
    (device,) = (each for each in list_microphones() if each.name == "mic")
    sound_server.unplug()
    check = check_microphone(device)
    assert not check.usable
    assert check.advice


@pytest.mark.microphone
def test_a_microphone_that_is_not_there_any_more_is_not_taken_for_another(sound_server: Any) -> None:
    (device,) = (each for each in list_microphones() if each.name == "mic")
    moved = InputDevice(device.index, "another", device.host, device.channels, device.rate_hz, default=False)
    check = check_microphone(moved)
    assert not check.usable
    assert "went away" in check.fault
