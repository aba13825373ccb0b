'''What a source of sound is, and what it gives: blocks of sound with their time, and events where something went wrong.

Another source is a subclass of `Source` and one entry point of the group ``asd_edge.sources``. This one plays a tone
for as long as somebody listens, and ``--input tone:hz=440`` opens it::

    import numpy as np

    from asd_edge.runtime import Block, Source, new_recording


    class Tone(Source):
        """A tone that never ends."""

        def __init__(self, hz: float) -> None:
            self.name = f"tone of {hz:g} Hz"
            self._second = 0.1 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)

        def sound(self, stop):
            recording, start_s = new_recording(self.name), 0.0
            while not stop.is_set():
                yield Block(self._second.astype(np.float32)[:, None], 16_000, recording, start_s)
                start_s += 1.0


    def open_tone(request):
        return Tone(request.values(hz=440.0)["hz"])

A function that opens a live source which is not there at the moment raises a `DeviceError`, or lets the error of the
system through (OSError): `listen` says so and tries again. Any other `InputError` is about what the user wrote.

The line in the pyproject.toml of its package is ``tone = "my_package.tone:open_tone"``.
'''

from __future__ import annotations

import math
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import numpy as np

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.sound_file import RATES, rate_is_heard
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import SoundError
from asd_edge.runtime.request import Request

EventKind = Literal[
    "missing",  # the source was not there when listening began; it is looked for, and `resumed` follows when it is
    "gap",  # live sound was lost, or its source was
    "resumed",  # the source is there again
    "overrun",  # live sound was lost before it could be read
    "failed",  # the source cannot be read any more; nothing more of this machine will come
    "sensor_fault",  # a window in which the sensor did not work was not scored
    "not_finite",  # a window was not scored: its sound, the model's output or the score is infinite or not a number
    "skipped",  # windows were not scored, since newer ones came before the model was ready
    "reloaded",  # the bank was read anew, and holds from the next window on
    "not_reloaded",  # the bank could not be read anew or used, and the one that was read before stays
    "bandwidth",  # the sound reaches less far up than the bank's, or further; or as far again
    "would_alarm",  # in shadow days, so many of the last windows were anomalous, and nobody is alarmed
    "moved",  # everything moved at once, such as when the microphone was moved or its gain changed
    "drift",  # everything has been moving slowly, over half a day or more
    "new_state",  # a steady sound that was never enrolled began at once
    "fault_begins",  # the sound has been growing stranger for minutes or hours, or a strange sound comes and goes
    "as_before",  # what one of these four told is over
    "alarm_on",  # so many of the last windows were anomalous
    "alarm_off",  # so many windows in a row were normal, or listening was stopped
]
"""What an event is about. A new kind stands in `asd_edge.runtime.json_objects.schema`, too."""
BREAKS: tuple[EventKind, ...] = ("gap", "resumed", "overrun")
"""Events after which sound does not continue what came before: no window spans one."""


@dataclass(frozen=True)
class Span:
    """A piece of the sound of a source, in seconds since its start."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Event:
    """Something that people and programs should know beside the scores."""

    event: EventKind
    source: str
    """the path of the file or the name of the device"""
    start_s: float
    """when it happened, in seconds since the start of the source"""
    reason: str
    """what happened, in words"""
    duration_s: float | None = None
    """how many seconds of sound were lost or could not be used"""
    count: int | None = None
    """how many windows it is about"""
    machine: str = ""
    """the name of the machine that is listened to; a source does not know it"""
    score: float | None = None
    """the score of the window that changed the alarm"""
    threshold: float | None = None
    """the threshold that this score was compared with, or that of a bank which was read anew"""
    window: Span | None = None
    """the window that changed the alarm"""


@dataclass(frozen=True)
class Block:
    """A piece of continuous sound.

    Raises:
        SoundError: The samples are no float32 array of two dimensions, or the rate is no integer of a converter.
    """

    samples: FloatArray
    """(frames, channels) in [-1, 1]"""
    rate_hz: int
    recording: Recording
    """the continuous recording that the block is part of; another begins with every file and after every break"""
    start_s: float
    """the time of the first sample, in seconds since the start of the file or since the source was opened"""
    last: bool = False
    """whether the recording ends with this block, as a file does and a microphone does not"""

    def __post_init__(self) -> None:
        samples, rate_hz = self.samples, self.rate_hz
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 2:
            got = type(samples).__name__
            if isinstance(samples, np.ndarray):
                got = f"{samples.dtype} of shape {samples.shape}"
            raise _unusable(self, "samples", got, "a float32 array of shape (frames, channels) with values in [-1, 1]")
        if not isinstance(rate_hz, (int, np.integer)) or isinstance(rate_hz, bool) or not rate_is_heard(int(rate_hz)):
            raise _unusable(self, "rate", repr(rate_hz), f"an integer between {RATES}")


_Item = TypeVar("_Item", bound="Block | Event")


class Source(ABC):
    """Where sound comes from.

    A source says what it is by these attributes; a subclass sets those that differ from the defaults.

    Attributes:
        name: What the source is called in messages, scores and banks: a path, the name of a device, or an address. It
            holds no password. A bank remembers the name of a live source, and `listen` opens it again by that.
        live: Whether sound comes at its own pace and is lost when nobody takes it.
        duration_s: How long all of the sound is, in seconds; infinite where it has no known end.
    """

    how_to_get: ClassVar[str] = 'for files, write FileSource("recordings"), for a microphone Microphone("usb")'

    name: str = "sound"
    live: bool = False
    duration_s: float = math.inf

    @property
    def longest_s(self) -> float:
        """How long the longest continuous recording is, in seconds."""
        return self.duration_s

    @property
    def late_blocks(self) -> int:
        """How often live sound has come late so far, whether or not any of it was lost."""
        return 0

    @abstractmethod
    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give blocks and events until the source ends, or until soon after `stop` is set.

        It is called once, and runs in a thread of its own. An `InputError` that it raises is told to the user, and
        other machines are listened to all the same.
        """


@dataclass(frozen=True)
class SourceRequest(Request):
    """What a user wants to hear. A source takes from it what it needs."""

    channel: Channel = 1
    """the channel that will be used, from 1, or ``mix``"""
    realtime: bool = False
    """whether to give recorded sound at the pace it was recorded at"""
    remembered: bool = False
    """whether a bank remembers this address as the one it was enrolled from, so that nothing similar may stand in"""


class Tapped(Source):
    """A source whose sound is watched on its way.

    Args:
        source: Where the sound comes from.
        tap: Gets the sound and passes it on.
    """

    def __init__(self, source: Source, tap: Callable[[Iterator[Block | Event]], Iterator[Block | Event]]) -> None:
        self.name = source.name
        self.live = source.live
        self.duration_s = source.duration_s
        self._source = source
        self._tap = tap

    @property
    def longest_s(self) -> float:
        """How long the longest continuous recording of the source is, in seconds."""
        return self._source.longest_s

    @property
    def late_blocks(self) -> int:
        """How often the sound of the source has come late so far."""
        return self._source.late_blocks

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give what the tap passes on; see `Source`."""
        return self._tap(self._source.sound(stop))


def checked_sound(source: Source, stop: threading.Event) -> Iterator[Block | Event]:
    """The sound of a source, as long as it holds together.

    Raises:
        SoundError: The source gives something that is neither a block nor an event, or its rate or its number of
            channels changes within a recording.
    """
    recording, form = "", (0, 0)
    for item in source.sound(stop):
        if isinstance(item, Block):
            found = (item.rate_hz, item.samples.shape[1])
            if item.recording.id == recording and found != form:
                raise SoundError(
                    "The sound of a source changes its rate or its channels within a recording.",
                    got=f"{source.name}: {found[0]} Hz, {found[1]} channels after {form[0]} Hz, {form[1]} channels",
                    valid="a new recording for every change",
                    next_step="mend the source: new_recording() begins one",
                )
            recording, form = item.recording.id, found
        elif not isinstance(item, Event):
            raise SoundError(
                "A source gives what is neither a block nor an event.",
                got=f"{source.name}: {type(item).__name__}",
                valid="Block(samples, rate_hz, recording, start_s), or Event(...)",
                next_step="mend the source",
            )
        yield item


def paced(sound: Iterable[_Item], stop: threading.Event) -> Iterator[_Item]:
    """Give blocks that are there already at the pace of their sound: each when its last sample would be heard."""
    began = time.monotonic()
    played_s = 0.0
    for item in sound:
        if isinstance(item, Block):
            played_s += len(item.samples) / item.rate_hz
            stop.wait(began + played_s - time.monotonic())
        yield item


def new_recording(name: str) -> Recording:
    """A continuous recording that is told apart from all others, also from those of another day.

    Args:
        name: The name of its source.
    """
    return Recording(uuid.uuid4().hex, name)


def _unusable(block: Block, part: str, got: str, valid: str) -> SoundError:
    return SoundError(
        f"The source gives a block whose {part} cannot be used.",
        got=f"{getattr(block.recording, 'source', block.recording)}: {got}",
        valid=valid,
        next_step="mend the source that gives it",
    )
