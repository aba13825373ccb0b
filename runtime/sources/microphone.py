"""Sound from a microphone, for as long as it takes: it is watched, and found again when it was unplugged."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.errors import DeviceError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.sources.awaited import attempts
from asd_edge.runtime.sources.capture.boot_clock import now_s
from asd_edge.runtime.sources.capture.continuity import Continuity
from asd_edge.runtime.sources.capture.device_errors import device_error
from asd_edge.runtime.sources.capture.input_devices import InputDevice, Match
from asd_edge.runtime.sources.capture.portaudio_process import DROPPED, OVERFLOW
from asd_edge.runtime.sources.capture.recording_process import RecordingProcess
from asd_edge.runtime.sources.capture.stream import Stream
from asd_edge.runtime.sources.source import Block, Event, Source, SourceRequest

log = logging.getLogger(__name__)

_BROKEN_BY = {
    OVERFLOW: "the device lost sound before it could be read",
    DROPPED: "sound was lost because this program did not take it in time",
}


def list_microphones() -> list[InputDevice]:
    """List the devices that can record, as they are now.

    Raises:
        DeviceError: PortAudio is missing or does not answer.
    """
    with RecordingProcess("list") as process:
        kind, payload = process.answer(threading.Event())
    if kind == b"E":
        raise device_error("", payload)
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
        self._began_s = now_s()
        self._stream: Stream | None = Stream(device, self._channels, how, threading.Event())
        self.device = self._stream.device
        self.name = self.device.name
        # Of two microphones of one make, the other must not take the place of the one that was unplugged.
        self._how_again: Match = "exact" if self._stream.twins else "same"
        # A name such as "pulse" means whatever source the server has just chosen; from now on it means this one.
        self._source = self._stream.source
        self._late_blocks = 0
        self._heard_until_s = 0.0

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
        lost = False
        try:
            while not stop.is_set():
                if stream is None:
                    stream = self._find_again(stop)
                    if stream is None:
                        return
                for item in self._read(stream, stop):
                    if not lost:
                        yield item
                    elif isinstance(item, Block):  # events before the first sound are about the same loss
                        lost = False
                        away_s = item.start_s - self._heard_until_s
                        start_s = round(item.start_s, 3)
                        yield Event("resumed", self.name, start_s, "the microphone is back", round(away_s, 3))
                        yield item
                stream.close()
                if not stop.is_set() and not lost:
                    lost = True
                    silent_s = round(now_s() - self._began_s - self._heard_until_s, 3)
                    yield Event("gap", self.name, round(self._heard_until_s, 3), stream.failure, silent_s)
                stream = None
        finally:
            if stream is not None:
                stream.close()

    def _find_again(self, stop: threading.Event) -> Stream | None:
        """Try to open the microphone for as long as it takes, with growing waits between; none when stopped."""
        told = ""
        for _ in attempts(stop):
            try:
                return Stream(self.name, self._channels, self._how_again, stop, self._source)
            except DeviceError as error:
                if told != error.what and not stop.is_set():
                    told = error.what
                    log.info("%s is still looked for. %s %s", self.name, error.what, error.got)
        return None

    def _read(self, stream: Stream, stop: threading.Event) -> Iterator[Block | Event]:
        """The blocks of one stream until it dies, with events where it lost sound."""
        heard = Continuity(self.name, stream.rate_hz)
        late_before = self._late_blocks
        while (message := stream.next_block(stop)) is not None:
            flags, arrived_s, samples = message
            broken_by = next((reason for flag, reason in _BROKEN_BY.items() if flags & flag), "")
            yield from self._noted(heard.add(samples, arrived_s - self._began_s, broken_by))
            self._late_blocks = late_before + heard.late_blocks
        yield from self._noted(heard.finish())

    def _noted(self, items: Iterator[Block | Event]) -> Iterator[Block | Event]:
        for item in items:
            yield item
            if isinstance(item, Block):
                self._heard_until_s = item.start_s + len(item.samples) / item.rate_hz
