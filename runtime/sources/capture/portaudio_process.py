"""The process that records. It is the only one that touches PortAudio, and does nothing else.

PortAudio reads the list of devices once, can hang in any call when a sound server or a driver does, and can take the
process down with it. So it lives in a process of its own, which is simply killed and started again; the process that
listens never waits for it longer than it wants to.

It sends messages to its standard output. Each is a kind, a length and a payload:

- ``D``: the list of input devices as JSON; it is the answer to ``list``.
- ``H``: JSON, device, rate and channels of the stream that was opened, how many other devices have its name up to the
  position, and the addresses of the servers that this process is connected to; the answer to ``record``.
- ``A``: a block: flags, the time of the callback in seconds on the clock of `now_s`, and interleaved float32 samples.
- ``W``: the process runs and waits: before ``H`` for its turn to open a device, afterwards for sound. A float64 says
  for how many seconds it has; time in which it was stopped or the computer slept does not count.
- ``E``: JSON, an error; the last message.

The process ends when its standard input closes, so that it never outlives its parent.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from asd_edge.runtime.sources.capture.boot_clock import now_s
from asd_edge.runtime.sources.capture.input_devices import (
    CaptureError,
    InputDevice,
    Match,
    match_device,
    without_position,
)
from asd_edge.runtime.sources.capture.sound_servers import connected_servers, no_connection_left

if TYPE_CHECKING:
    import sounddevice

HEADER = struct.Struct("<cI")
BLOCK_HEADER = struct.Struct("<Bd")
WAITING = struct.Struct("<d")
OVERFLOW = 1
"""The flag of a block before which the device lost sound."""
DROPPED = 2
"""The flag of a block before which sound was lost because nobody took it from this process."""

BLOCK_S = 0.2
"""The length of a block in seconds: long enough that waking up for each costs next to nothing, short beside any
window."""
_MANY_CHANNELS = 8
"""More channels than this are offered by virtual devices alone, which are not opened with all unless they insist."""
WAIT_S = 0.5
"""The time between two messages that the process waits."""
TURN_S = 60.0
"""Sixty microphones open one after another in half a minute; one that is not done by then must not hold up others."""
MOST_BYTES = 64_000_000
"""So much sound waits at most while nobody takes it: half a minute of all that has up to 16 channels."""
_TURN_POLL_S = 0.05
_DEVICE_UNAVAILABLE = -9985
_INVALID_CHANNEL_COUNT = -9998


def _import_sounddevice() -> Any:
    try:
        import sounddevice  # fails where PortAudio is missing
    except OSError as error:
        raise CaptureError("portaudio", str(error)) from error
    return sounddevice


def _list_devices(sd: Any) -> list[InputDevice]:
    default = sd.default.device[0]
    hosts = sd.query_hostapis()
    return [
        InputDevice(
            index,
            str(device["name"]),
            str(hosts[device["hostapi"]]["name"]),
            int(device["max_input_channels"]),
            round(device["default_samplerate"]),
            index == default,
        )
        for index, device in enumerate(sd.query_devices())
        if device["max_input_channels"] > 0
    ]


def _channel_counts(device: InputDevice, needed: int) -> list[int]:
    """The channel counts to try, in this order: hardware often insists on exactly its own."""
    modest = max(2, needed)
    counts = [modest, device.channels] if device.channels > _MANY_CHANNELS else [device.channels, modest]
    return [count for count in dict.fromkeys(counts) if count <= device.channels] or [device.channels]


class _Recorder:
    """A PortAudio stream whose callback only copies and marks, while another thread writes.

    Args:
        sd: The module `sounddevice`.
        device: The device that is opened.
        channels: The number of channels that it is opened with.
        twins: How many other devices have its name up to the position.
        most_blocks: How many blocks wait for the other process at most; what comes after them is lost, and marked.
    """

    def __init__(self, sd: Any, device: InputDevice, channels: int, twins: int, most_blocks: int) -> None:
        self._twins = twins
        block_bytes = 4 * channels * round(BLOCK_S * device.rate_hz)
        self._blocks: queue.Queue[bytes] = queue.Queue(max(1, min(most_blocks, MOST_BYTES // block_bytes)))
        self._dropped = False
        self.ended = threading.Event()
        self.device = device
        self.stream: sounddevice.RawInputStream = sd.RawInputStream(
            device=device.index,
            channels=channels,
            samplerate=device.rate_hz,
            blocksize=round(BLOCK_S * device.rate_hz),
            dtype="float32",
            latency="high",
            callback=self._callback,
            finished_callback=self.ended.set,
        )

    def _callback(self, samples: Any, _frames: int, _time: Any, status: Any) -> None:
        flags = (OVERFLOW if status.input_overflow else 0) | (DROPPED if self._dropped else 0)
        try:
            self._blocks.put_nowait(BLOCK_HEADER.pack(flags, now_s()) + bytes(samples))
            self._dropped = False
        except queue.Full:
            self._dropped = True

    def start(self, out: BinaryIO) -> None:
        self.stream.start()
        hello = {
            "device": asdict(self.device),
            "channels": self.stream.channels,
            "rate_hz": self.stream.samplerate,
            "twins": self._twins,
            "servers": connected_servers(),
        }
        _send(out, b"H", json.dumps(hello).encode())

    def write_to(self, out: BinaryIO) -> NoReturn:
        waited_s = 0.0
        while True:
            try:
                block = self._blocks.get(timeout=WAIT_S)
            except queue.Empty:
                if self.ended.is_set() or not self.stream.active:
                    raise CaptureError("ended", "the device went away") from None
                waited_s += WAIT_S
                _send(out, b"W", WAITING.pack(waited_s))
                continue
            waited_s = 0.0
            _send(out, b"A", block)


def _list(sd: Any, out: BinaryIO) -> None:
    devices = _list_devices(sd)
    if no_connection_left():
        raise CaptureError("full", "not all microphones can be seen", devices)
    _send(out, b"D", json.dumps([asdict(device) for device in devices]).encode())


def _open(sd: Any, wanted: str, needed_channels: int, how: Match, most_blocks: int) -> _Recorder:
    devices = _list_devices(sd)
    device = match_device(devices, wanted, how)
    bare = without_position(device.name)
    twins = sum(without_position(other.name) == bare for other in devices) - 1
    for channels in _channel_counts(device, needed_channels):
        try:
            return _Recorder(sd, device, channels, twins, most_blocks)
        except sd.PortAudioError as error:
            failure = explain(error)
            if _INVALID_CHANNEL_COUNT not in error.args:
                break
    raise failure


def explain(error: Exception) -> CaptureError:
    """Turn an error of PortAudio into one of this module; its code says whether another program holds the device."""
    kind = "busy" if _DEVICE_UNAVAILABLE in error.args else "failed"
    return CaptureError(kind, str(error))


@contextmanager
def _turn(out: BinaryIO) -> Iterator[None]:
    """Wait until no other process of this kind opens devices.

    PortAudio connects to a sound server several times while it lists devices, and a server has few connections: many
    that open at once would refuse each other, and take the time of those that record already.
    """
    with Path(__file__).open("rb") as file:
        waited_s, told_s = 0.0, 0.0
        while waited_s < TURN_S:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_TURN_POLL_S)
                waited_s += _TURN_POLL_S
            except OSError:
                break  # a file system without locks
            if waited_s - told_s >= WAIT_S:
                told_s = waited_s
                _send(out, b"W", WAITING.pack(waited_s))
        yield


def _send(out: BinaryIO, kind: bytes, payload: bytes) -> None:
    out.write(HEADER.pack(kind, len(payload)) + payload)
    out.flush()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # a hung PortAudio call would hold up an ordinary exit


def main() -> None:
    """Run the command that the arguments of the process name: ``list``, or ``record DEVICE CHANNELS MATCH BLOCKS``."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    # Libraries below print to standard output as they like; the messages get a descriptor of their own.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        recorder = None
        with _turn(out):
            sd = _import_sounddevice()
            try:
                if sys.argv[1] == "list":
                    _list(sd, out)
                else:
                    wanted, channels, how, most_blocks = sys.argv[2:6]
                    recorder = _open(sd, wanted, int(channels), cast(Match, how), int(most_blocks))
                    recorder.start(out)
            except sd.PortAudioError as error:
                raise explain(error) from error
        if recorder is not None:
            recorder.write_to(out)
    except CaptureError as error:
        kind = "full" if error.kind in {"missing", "failed"} and no_connection_left() else error.kind
        devices = [asdict(device) for device in error.devices]
        _send(out, b"E", json.dumps({"kind": kind, "message": str(error), "devices": devices}).encode())
    except BrokenPipeError:
        pass
    except Exception as error:  # noqa: BLE001  whatever it is, whoever listens must know why nothing is recorded
        message = f"{type(error).__name__}: {error}"
        _send(out, b"E", json.dumps({"kind": "failed", "message": message, "devices": []}).encode())
    os._exit(0)  # no Pa_Terminate: it may hang, and the system frees everything anyway


if __name__ == "__main__":
    main()
