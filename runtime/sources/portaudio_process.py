"""The process that records. It is the only one that touches PortAudio, and does nothing else.

PortAudio reads the list of devices once, can hang in any call when a sound server or a driver does, and can take the
process down with it. So it lives in a process of its own, ``python -m asd_edge.runtime.sources.portaudio_process``,
which is simply killed and started again; the process that listens never waits for it longer than it wants to.

It sends messages to its standard output. Each is a kind, a length and a payload:

- ``D``: the list of input devices as JSON; it is the answer to ``list``.
- ``H``: JSON, device, rate and channels of the stream that was opened, and how many other devices have its name up to
  the position; the first answer to ``record``.
- ``A``: a block: flags, the monotonic time of the callback in seconds, and interleaved float32 samples.
- ``E``: JSON, an error; the last message.

The process ends when its standard input closes, so that it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import re
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NoReturn, cast

if TYPE_CHECKING:
    import sounddevice

HEADER = struct.Struct("<cI")
BLOCK_HEADER = struct.Struct("<Bd")
OVERFLOW = 1

BLOCK_S = 0.2
"""The length of a block in seconds: long enough that waking up for each costs next to nothing, short beside any
window."""
_MANY_CHANNELS = 8
"""More channels than this are offered by virtual devices alone, which are not opened with all unless they insist."""
_DEVICE_UNAVAILABLE = -9985
_INVALID_CHANNEL_COUNT = -9998


Match = Literal["part", "same", "exact"]


@dataclass(frozen=True)
class InputDevice:
    """A device that can record, as PortAudio lists it."""

    index: int
    name: str
    host: str
    """the sound system it belongs to, such as ALSA"""
    channels: int
    rate_hz: int
    default: bool


class CaptureError(Exception):
    """An error that makes recording impossible; its `kind` says why in one word."""

    def __init__(self, kind: str, message: str, devices: Sequence[InputDevice] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.devices = devices


def match_device(devices: Sequence[InputDevice], wanted: str, how: Match = "part") -> InputDevice:
    """Find the device that a text means.

    ALSA appends the position of a card to its name, ``(hw:1,0)``, which moves between boots: a name that is not found
    as it stands is tried again without it.

    Args:
        devices: The devices that there are.
        wanted: An index, or a part of a name without regard to case; a whole name wins.
        how: Whether a `part` of a name is enough, or it must be the `same` up to the position, or `exact`.

    Raises:
        CaptureError: No device matches, or several do.
    """
    if how == "part" and wanted.isascii() and wanted.isdigit():
        matches = [device for device in devices if device.index == int(wanted)]
    else:
        name, bare = wanted.lower(), _without_position(wanted)
        matches = [device for device in devices if device.name.lower() == name]
        if not matches and how != "exact":
            matches = [device for device in devices if _without_position(device.name) == bare]
        if not matches and how == "part":
            matches = [device for device in devices if name in device.name.lower()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CaptureError("ambiguous", f"{len(matches)} microphones match", matches)
    raise CaptureError("missing", "no microphone matches", devices)


def _without_position(name: str) -> str:
    return re.sub(r"\s*\(hw:\d+,\d+\)$", "", name.lower())


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
        self._blocks: queue.Queue[bytes] = queue.Queue(most_blocks)
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
        flags = OVERFLOW if status.input_overflow or self._dropped else 0
        try:
            self._blocks.put_nowait(BLOCK_HEADER.pack(flags, time.monotonic()) + bytes(samples))
            self._dropped = False
        except queue.Full:
            self._dropped = True

    def write_to(self, out: BinaryIO) -> NoReturn:
        self.stream.start()
        hello = {
            "device": asdict(self.device),
            "channels": self.stream.channels,
            "rate_hz": self.stream.samplerate,
            "twins": self._twins,
        }
        _send(out, b"H", json.dumps(hello).encode())
        while True:
            try:
                block = self._blocks.get(timeout=0.5)
            except queue.Empty:
                if self.ended.is_set() or not self.stream.active:
                    raise CaptureError("ended", "the device went away") from None
                continue
            _send(out, b"A", block)


def _open(sd: Any, wanted: str, needed_channels: int, how: Match, most_blocks: int) -> _Recorder:
    devices = _list_devices(sd)
    device = match_device(devices, wanted, how)
    bare = _without_position(device.name)
    twins = sum(_without_position(other.name) == bare for other in devices) - 1
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
        sd = _import_sounddevice()
        try:
            if sys.argv[1] == "list":
                _send(out, b"D", json.dumps([asdict(device) for device in _list_devices(sd)]).encode())
            else:
                wanted, channels, how, most_blocks = sys.argv[2:6]
                _open(sd, wanted, int(channels), cast(Match, how), int(most_blocks)).write_to(out)
        except sd.PortAudioError as error:
            raise explain(error) from error
    except CaptureError as error:
        devices = [asdict(device) for device in error.devices]
        _send(out, b"E", json.dumps({"kind": error.kind, "message": str(error), "devices": devices}).encode())
    except BrokenPipeError:
        pass
    os._exit(0)  # no Pa_Terminate: it may hang, and the system frees everything anyway


if __name__ == "__main__":
    main()
