"""Sound that came late or never, and devices that cannot be opened, as the recording process would tell them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.errors import DeviceError
from asd_edge.runtime import Block, Event, Microphone, list_microphones
from asd_edge.runtime.pipeline.windows import cut_windows
from asd_edge.runtime.sources import awaited
from asd_edge.runtime.sources import microphone as microphone_module
from asd_edge.runtime.sources.capture import device_errors
from asd_edge.runtime.sources.capture import stream as stream_module
from asd_edge.runtime.sources.capture.alsa_status import HeldMicrophone
from asd_edge.runtime.sources.capture.boot_clock import now_s
from asd_edge.runtime.sources.capture.device_errors import stuck
from asd_edge.runtime.sources.capture.input_devices import InputDevice
from asd_edge.runtime.sources.capture.portaudio_process import BLOCK_HEADER, OVERFLOW

RATE_HZ = 16_000
BLOCK_S = 0.2
DEVICE = InputDevice(3, "usb microphone", "ALSA", 1, RATE_HZ, True)
Message = tuple[bytes, bytes]
Script = Callable[[Sequence[Message]], None]


@pytest.fixture
def recording_process(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Let the recording process send these messages; then the listening is stopped."""

    def script(messages: Sequence[Message]) -> None:
        left = list(messages)

        class Process:
            number = 0

            def __init__(self, *arguments: str, source: str = "") -> None:
                pass

            def __enter__(self) -> Process:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def receive(self, timeout_s: float, stop: threading.Event) -> Message | None:
                if left:
                    return left.pop(0)
                stop.set()
                return None

            def answer(self, stop: threading.Event) -> Message:
                message = self.receive(1.0, stop)
                if message is None:
                    raise stuck()
                return message

            def close(self) -> None:
                pass

        for module in (microphone_module, stream_module):
            monkeypatch.setattr(module, "RecordingProcess", Process)

    return script


def hello() -> Message:
    opened = {"device": asdict(DEVICE), "channels": 1, "rate_hz": float(RATE_HZ), "twins": 0, "servers": []}
    return b"H", json.dumps(opened).encode()


def blocks(arrivals_s: Sequence[float], overflows: Sequence[int] = ()) -> Iterator[Message]:
    """A ramp that says which sample is which."""
    frames = round(BLOCK_S * RATE_HZ)
    began = now_s()
    for index, arrived_s in enumerate(arrivals_s):
        samples = (np.arange(index * frames, (index + 1) * frames) / 1e6).astype(np.float32)
        flags = OVERFLOW if index in overflows else 0
        yield b"A", BLOCK_HEADER.pack(flags, began + arrived_s) + samples.tobytes()


def heard(recording_process: Script, messages: Sequence[Message]) -> tuple[Microphone, list[Block | Event]]:
    recording_process([hello(), *messages])
    microphone = Microphone("usb")
    return microphone, list(microphone.sound(threading.Event()))


def windows_of(items: list[Block | Event]) -> list[Window]:
    cut = cut_windows(items, Windowing(RATE_HZ // 2, 0.5))
    return [item for item in cut if isinstance(item, Window)]


def test_sound_that_comes_late_is_counted_and_nothing_is_lost(recording_process: Script) -> None:
    on_time = [BLOCK_S * (index + 1) for index in range(40)]
    burst = [6.0 + 0.001 * index for index in range(6)]  # blocks 24 to 29, held up for a second
    arrivals = [*on_time[:24], *burst, *on_time[30:]]
    microphone, items = heard(recording_process, list(blocks(arrivals)))
    sound = [item for item in items if isinstance(item, Block)]
    assert len(sound) == len(items) == 40
    assert len({block.recording.id for block in sound}) == 1
    starts_s = np.array([block.start_s for block in sound])
    np.testing.assert_allclose(starts_s - starts_s[0], BLOCK_S * np.arange(40), atol=1e-6)
    assert microphone.late_blocks == 1


def test_sound_that_never_comes_is_a_gap_that_no_window_spans(recording_process: Script) -> None:
    arrivals = [BLOCK_S * (index + 1) + (2.0 if index >= 20 else 0.0) for index in range(40)]
    microphone, items = heard(recording_process, list(blocks(arrivals)))
    assert microphone.late_blocks == 1
    (gap,) = (item for item in items if isinstance(item, Event))
    assert (gap.event, gap.source, gap.reason) == ("gap", "usb microphone", "2.00 s of sound never arrived")
    sound = [item for item in items if isinstance(item, Block)]
    assert len(sound) == 40
    assert len({block.recording.id for block in sound[:20]}) == len({block.recording.id for block in sound[20:]}) == 1
    assert sound[19].recording.id != sound[20].recording.id
    assert items.index(gap) == 20
    starts_s = np.array([block.start_s for block in sound])
    expected_s = BLOCK_S * np.arange(40) + 2.0 * (np.arange(40) >= 20)
    np.testing.assert_allclose(starts_s - starts_s[0], expected_s, atol=1e-6)
    for window in windows_of(items):
        np.testing.assert_allclose(np.diff(window.samples), 1e-6, atol=1e-7)  # the ramp has no step
        assert not gap.start_s - 0.49 < window.start_s < gap.start_s + 1.99


def test_sound_that_the_device_dropped_is_an_overrun_and_a_new_recording(recording_process: Script) -> None:
    arrivals = [BLOCK_S * (index + 1) for index in range(10)]
    _, items = heard(recording_process, list(blocks(arrivals, overflows=[6])))
    kinds = [item.event if isinstance(item, Event) else "sound" for item in items]
    assert kinds == ["sound"] * 6 + ["overrun"] + ["sound"] * 4
    sound = [item for item in items if isinstance(item, Block)]
    assert sound[5].recording.id != sound[6].recording.id == sound[9].recording.id


def test_a_stream_that_ends_says_why_and_is_opened_again(
    recording_process: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaited, "FIRST_RETRY_S", 0.01)
    ended = (b"E", b'{"kind": "ended", "message": "the device went away", "devices": []}')
    _, items = heard(recording_process, [*blocks([0.2]), ended, hello(), *blocks([0.4])])
    told = [(item.event, item.reason) if isinstance(item, Event) else "sound" for item in items]
    assert told == ["sound", ("gap", "the device went away"), ("resumed", "the microphone is back"), "sound"]


def test_sound_of_which_it_is_never_certain_where_it_comes_from_is_not_given(
    recording_process: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sound server has stopped to answer; what waits for it is bounded, and the loss is told."""

    class Followed:
        source, certain_until_s, failure = "left.monitor", float("-inf"), ""

        def close(self) -> None:
            pass

    monkeypatch.setattr(stream_module, "follow", lambda servers, process: Followed())
    _, items = heard(recording_process, list(blocks([BLOCK_S * (index + 1) for index in range(181)])))
    (gap,) = items
    assert isinstance(gap, Event)
    assert (gap.event, gap.reason) == ("gap", "the sound server does not say where the sound comes from")


def error(kind: str, message: str = "it failed", devices: Sequence[InputDevice] = ()) -> Message:
    return b"E", json.dumps({"kind": kind, "message": message, "devices": [asdict(each) for each in devices]}).encode()


@pytest.mark.parametrize(
    ("message", "what", "part", "text"),
    [
        (error("portaudio", "no library"), "PortAudio, the library that records", "next_step", "libportaudio2"),
        (error("busy", devices=[DEVICE]), "in use by another program", "valid", "free: 3: usb microphone"),
        (error("missing", devices=[DEVICE]), "There is no such microphone", "valid", "3: usb microphone"),
        (error("missing"), "There is no microphone", "valid", "none is connected"),
        (error("ambiguous", devices=[DEVICE, DEVICE]), "Several microphones match", "next_step", "longer part"),
        (error("failed", "bad rate"), "cannot be opened", "got", "usb: bad rate"),
    ],
)
def test_a_device_that_cannot_be_opened_says_what_to_do(
    message: Message, what: str, part: str, text: str, recording_process: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_errors, "held_microphones", list)
    recording_process([message])
    with pytest.raises(DeviceError, match=what) as refused:
        Microphone("usb")
    assert text in getattr(refused.value, part)


def test_the_program_that_holds_a_microphone_is_named(
    recording_process: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [HeldMicrophone("USB Audio (hw:1,0)", "arecord (process 7)")]
    monkeypatch.setattr(device_errors, "held_microphones", lambda: held)
    recording_process([error("missing")])
    with pytest.raises(DeviceError, match="in use") as refused:
        Microphone("usb")
    assert refused.value.got == "usb: held by arecord (process 7)"


@pytest.mark.parametrize("ask", [list_microphones, lambda: Microphone("usb")])
def test_a_sound_system_that_does_not_answer(ask: Callable[[], Any], recording_process: Script) -> None:
    recording_process([])
    with pytest.raises(DeviceError, match="does not answer"):
        ask()


def test_what_goes_wrong_while_microphones_are_listed(recording_process: Script) -> None:
    recording_process([error("portaudio", "no library")])
    with pytest.raises(DeviceError, match="not installed"):
        list_microphones()
