"""Sound from a microphone, for as long as it takes: it is watched, and found again when it was unplugged."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, cast

import numpy as np

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import DeviceError, WrongDeviceError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.own_process import module_command
from asd_edge.runtime.sources.alsa_status import held_microphones
from asd_edge.runtime.sources.dropouts import DropoutDetector
from asd_edge.runtime.sources.portaudio_process import BLOCK_HEADER, HEADER, OVERFLOW, InputDevice, Match
from asd_edge.runtime.sources.source import Block, Event, Source, SourceRequest, new_recording

START_TIMEOUT_S = 10.0
"""Opening takes about a second; a sound server that has not answered by then is stuck."""
DEAD_S = 3.0
"""Without a block for this long a stream is dead: blocks come five times a second."""
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0
"""The time between attempts to find a lost microphone again doubles from the first to the longest."""
QUEUE_BLOCKS = 150
"""The number of blocks, half a minute of sound, that wait while this process is busy; what comes after them is lost."""
_POLL_S = 0.2


def list_microphones() -> list[InputDevice]:
    """List the devices that can record, as they are now.

    Raises:
        DeviceError: PortAudio is missing or does not answer.
    """
    with _Capture("list") as capture:
        message = capture.receive(START_TIMEOUT_S, threading.Event())
    if message is None:
        raise _stuck()
    kind, payload = message
    if kind == b"E":
        raise _device_error("", payload)
    return [InputDevice(**device) for device in json.loads(payload)]


class Microphone(Source):
    """A microphone. It is opened when the object is made, and heard with `sound`.

    Args:
        device: The index of the microphone or a part of its name. Indices move between boots: prefer names.
        channel: The channel that will be used; the microphone is opened with enough of them.
        how: Whether a part of the name is enough, see `match_device`; a name that a bank remembers must be the same.

    Raises:
        DeviceError: There is no such device, several match, it cannot be opened, or PortAudio is missing.
    """

    live = True

    @checked
    def __init__(self, device: str, channel: Channel = 1, how: Match = "part") -> None:
        self._channels = 1 if channel == "mix" else channel
        self._began = time.monotonic()
        self._stream: _Stream | None = _Stream(device, self._channels, how, threading.Event())
        self.device = self._stream.device
        self.name = self.device.name
        # Of two microphones of one make, the other must not take the place of the one that was unplugged.
        self._how_again: Match = "exact" if self._stream.twins else "same"
        self._late_blocks = 0

    @classmethod
    def open(cls, request: SourceRequest) -> Microphone:
        """Open ``--device NAME`` or ``microphone:NAME``."""
        return cls(request.address, request.channel, "same" if request.remembered else "part")

    @property
    def late_blocks(self) -> int:
        """How often sound came late so far, whether or not it was lost."""
        return self._late_blocks

    def close(self) -> None:
        """Give the microphone back without having heard it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give blocks until `stop` is set, also after the microphone was lost and found again; see `Source`."""
        stream, self._stream = self._stream, None
        try:
            while not stop.is_set():
                if stream is None:
                    lost = time.monotonic()
                    stream = self._find_again(stop)
                    if stream is None:
                        return
                    now = time.monotonic()
                    yield Event(
                        "resumed",
                        self.name,
                        round(now - self._began, 3),
                        "the microphone is back",
                        round(now - lost, 1),
                    )
                yield from self._read(stream, stop)
                stream.close()
                if not stop.is_set():
                    yield Event("gap", self.name, round(time.monotonic() - self._began, 3), stream.failure)
                stream = None
        finally:
            if stream is not None:
                stream.close()

    def _find_again(self, stop: threading.Event) -> _Stream | None:
        """Try to open the microphone for as long as it takes, with growing waits between; none when stopped."""
        wait_s = FIRST_RETRY_S
        while not stop.wait(wait_s):
            try:
                return _Stream(self.name, self._channels, self._how_again, stop)
            except DeviceError:
                wait_s = min(2 * wait_s, LONGEST_RETRY_S)
        return None

    def _read(self, stream: _Stream, stop: threading.Event) -> Iterator[Block | Event]:
        """The blocks of one stream until it dies, with events where it lost sound."""
        dropouts = DropoutDetector(stream.rate_hz)
        recording = new_recording(self.name)
        next_s: float | None = None
        held: list[Block] = []
        while (message := stream.next_block(stop)) is not None:
            flags, arrived, samples = message
            arrived -= self._began
            if flags & OVERFLOW:
                yield Event("overrun", self.name, round(arrived, 3), "the device lost sound before it could be read")
                # What is held lies between two breaks, and how much was lost is not known: start anew.
                dropouts, recording, next_s, held = DropoutDetector(stream.rate_hz), new_recording(self.name), None, []
            if next_s is None:
                next_s = arrived - len(samples) / stream.rate_hz
            state = dropouts.add(arrived, len(samples))
            if state == "late" and not held:
                self._late_blocks += 1
            held.append(Block(samples, stream.rate_hz, recording, next_s))
            next_s += len(samples) / stream.rate_hz
            if state == "late":
                continue  # sound after a late callback waits until it is known whether something is missing before it
            if state == "lost":
                lost_s = dropouts.lost_s
                yield Event("gap", self.name, round(held[0].start_s, 3), f"{lost_s:.2f} s of sound never arrived")
                recording, next_s = new_recording(self.name), next_s + lost_s
                held = [replace(block, recording=recording, start_s=block.start_s + lost_s) for block in held]
            yield from held
            held = []


class _Stream:
    """An opened stream: a recording process that has said hello."""

    def __init__(self, device: str, channels: int, how: Match, stop: threading.Event) -> None:
        self._capture = _Capture("record", device, str(channels), how, str(QUEUE_BLOCKS))
        self.failure = "the device went away"
        try:
            message = self._capture.receive(START_TIMEOUT_S, stop)
            if message is None:
                raise _stuck()
            kind, payload = message
            if kind != b"H":
                raise _device_error(device, payload)
        except BaseException:
            self._capture.close()
            raise
        hello = json.loads(payload)
        self.device = InputDevice(**hello["device"])
        self.rate_hz = round(hello["rate_hz"])
        self._channels: int = hello["channels"]
        self.twins: int = hello["twins"]

    def next_block(self, stop: threading.Event) -> tuple[int, float, FloatArray] | None:
        """The next block: flags, arrival time, samples (frames, channels); none once the stream is dead or stopped."""
        message = self._capture.receive(DEAD_S, stop)
        if message is None:
            self.failure = f"no sound for {DEAD_S:g} s"
            return None
        kind, payload = message
        if kind != b"A":
            self.failure = json.loads(payload)["message"]
            return None
        flags, arrived = BLOCK_HEADER.unpack_from(payload)
        samples = np.frombuffer(payload, np.float32, offset=BLOCK_HEADER.size).reshape(-1, self._channels)
        return flags, arrived, samples

    def close(self) -> None:
        self._capture.close()


class _Capture:
    """The recording process, see `asd_edge.runtime.sources.portaudio_process`."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            module_command("asd_edge.runtime.sources.portaudio_process", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # ALSA and JACK think aloud there
            bufsize=0,
        )
        self._out = cast(IO[bytes], self._process.stdout).fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._buffer = bytearray()

    def __enter__(self) -> _Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def receive(self, timeout_s: float, stop: threading.Event) -> tuple[bytes, bytes] | None:
        """The next message; none when it does not come in time or `stop` is set."""
        deadline = time.monotonic() + timeout_s
        while True:
            if len(self._buffer) >= HEADER.size:
                kind, length = HEADER.unpack_from(self._buffer)
                if len(self._buffer) >= HEADER.size + length:
                    payload = bytes(self._buffer[HEADER.size : HEADER.size + length])
                    del self._buffer[: HEADER.size + length]
                    return kind, payload
            if stop.is_set() or time.monotonic() > deadline:
                return None
            if self._selector.select(_POLL_S):
                data = os.read(self._out, 1 << 20)
                if not data:
                    return b"E", b'{"kind": "failed", "message": "the recording process ended", "devices": []}'
                self._buffer += data

    def close(self) -> None:
        self._selector.close()
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def _stuck() -> DeviceError:
    return DeviceError(
        "The sound system does not answer.",
        got=f"nothing for {START_TIMEOUT_S:g} s",
        valid="a sound server and drivers that respond",
        next_step="restart the sound server or plug the microphone in again, then try `asd-edge devices`",
    )


def _device_error(wanted: str, payload: bytes) -> DeviceError:
    """The error of the recording process as one that says what a user can do about it."""
    error = json.loads(payload)
    devices = [InputDevice(**device) for device in error["devices"]]
    names = "; ".join(f"{device.index}: {device.name}" for device in devices)
    if error["kind"] == "portaudio":
        return WrongDeviceError(
            "PortAudio, the library that records, is not installed.",
            got=error["message"],
            valid="libportaudio 2",
            next_step="sudo apt install libportaudio2 (on Debian, Ubuntu and JetPack)",
        )
    holder = next((held.holder for held in held_microphones() if wanted.lower() in held.name.lower()), "")
    if error["kind"] == "busy" or (error["kind"] == "missing" and holder):
        return DeviceError(
            "The microphone is in use by another program.",
            got=f"{wanted}: held by {holder}" if holder else f"{wanted}: {error['message']}",
            valid="a microphone that no other program has opened" + (f"; free: {names}" if names else ""),
            next_step="close the other program (fuser -v /dev/snd/* shows it)",
        )
    if error["kind"] == "missing":
        return DeviceError(
            "There is no such microphone." if devices else "There is no microphone.",
            got=wanted,
            valid=names or "none is connected, or this user may not see it",
            next_step="connect it, then look with `asd-edge devices`",
        )
    if error["kind"] == "ambiguous":
        return WrongDeviceError(
            "Several microphones match.",
            got=wanted,
            valid=names,
            next_step="use a longer part of the name, or an index",
        )
    return DeviceError(
        "The microphone cannot be opened.",
        got=f"{wanted}: {error['message']}",
        valid="a device from `asd-edge devices`",
        next_step="run `asd-edge doctor`",
    )
