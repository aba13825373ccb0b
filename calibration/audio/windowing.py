"""How sound is cut into windows: the one rule, for a microphone's blocks, for files and for clips to train on.

Windows begin every hop. A recording that ends gives one more window, which ends where the recording ends, if at least
`MIN_TAIL_S` of it were in no window yet; a hop longer than the window leaves sound out on purpose, so at the end, too.
A recording that is shorter than the window is repeated until it fills one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd_edge.calibration.audio.channels import Channel, select_channel
from asd_edge.calibration.audio.level import LARGEST_SAMPLE, is_sound, level_dbfs
from asd_edge.calibration.audio.sound_file import SoundFile
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError, SoundError

MIN_HOP_S = 0.05
"""The shortest time between windows: no sound of a machine that a window of a second could tell apart is shorter."""
MIN_CLIP_S = 1.0
"""A recording shorter than the window is repeated to fill it; below this it is hardly a sound of a machine."""
MIN_TAIL_S = 1.0
"""The rest of a recording after its last hop gets a window of its own from this length on."""
RESAMPLER_REACH = 100
"""How far one sample shows in what the resampler makes of it, before and after, in samples of the lower of both rates:
farther away its trace is below a millionth of it (measured at 8 to 192 kHz: 92)."""
_BLOCK_S = 60
"""How many seconds of a clip are decoded at once, of which one channel is kept."""


def require_hop(hop_s: float) -> None:
    """Refuse a time between windows that cannot be.

    Raises:
        InputError: The hop is not a number, or it is shorter than `MIN_HOP_S`.
    """
    if not hop_s >= MIN_HOP_S:
        raise InputError(
            "The hop between windows is too short.",
            got=f"{hop_s:g} s",
            valid=f"{MIN_HOP_S:g} s or more",
            next_step="try --hop 10",
        )


def require_length(length_s: float, source: str, window_s: float | None = None) -> float:
    """Refuse a recording that is too short for a window.

    Args:
        length_s: The length of the recording in seconds.
        source: The path that it comes from, for the message.
        window_s: The length of a window, for the message.

    Returns:
        The length.

    Raises:
        SoundError: The recording is shorter than `MIN_CLIP_S`.
    """
    if length_s < MIN_CLIP_S:
        raise SoundError(
            "The recording is too short.",
            got=f"{source}: {length_s:.2f} s",
            valid=f"{MIN_CLIP_S:g} s or longer" + (f"; {window_s:g} s fill a window" if window_s else ""),
            next_step="record longer, or leave this file out",
        )
    return length_s


@dataclass(frozen=True)
class Windowing:
    """How sound is cut into windows.

    Raises:
        InputError: The hop is too short.
    """

    samples: int
    """The length of a window, in samples at 16 kHz."""
    hop_s: float = 10.0
    """The time from the start of a window to the start of the next, in seconds."""
    channel: Channel = 1
    """The channel of the source that is heard."""

    def __post_init__(self) -> None:
        require_hop(self.hop_s)

    @property
    def window_s(self) -> float:
        """The length of a window in seconds."""
        return self.samples / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Window:
    """A piece of sound as the model takes it."""

    samples: FloatArray
    """The sound, (samples,) at 16 kHz in [-1, 1]."""
    recording: Recording
    """The recording that it was cut from."""
    start_s: float
    """Its start in seconds since the start of the file, or since the microphone was opened."""
    repeated: bool = False
    """Whether a shorter recording was repeated to fill the window."""
    spoiled: bool = False
    """Whether it holds samples that are no sound, such as values that are not numbers. They are zeros in `samples`."""

    @property
    def level_dbfs(self) -> float:
        """The level in decibels relative to full scale."""
        return level_dbfs(self.samples)


class WindowStarts:
    """Where the windows of one recording begin, as its length becomes known. All positions are samples at 16 kHz.

    Args:
        windowing: The length of a window and the hop.
    """

    def __init__(self, windowing: Windowing) -> None:
        self._windowing = windowing
        self._given = 0

    @property
    def next(self) -> int:
        """The position at which the next window begins if there is sound enough."""
        return self._at(self._given)

    def complete(self, length: int) -> Iterator[int]:
        """Give the windows that a recording of this length fills, each once."""
        while self.next + self._windowing.samples <= length:
            self._given += 1
            yield self._at(self._given - 1)

    def unused(self, length: int) -> int:
        """How much of the sound came after the end of the last window."""
        end = self._at(self._given - 1) + self._windowing.samples if self._given else 0
        return length - end

    def last(self, length: int) -> int | None:
        """Where the window begins that a recording gives because it ended; none where too little is left for one."""
        if length < self._windowing.samples:
            return 0
        leaves_out = self._windowing.hop_s > self._windowing.window_s
        if leaves_out or self.unused(length) < MIN_TAIL_S * SAMPLE_RATE_HZ:
            return None
        return length - self._windowing.samples

    def _at(self, index: int) -> int:
        return round(index * self._windowing.hop_s * SAMPLE_RATE_HZ)


class Cutter:
    """Cuts one continuous recording into windows as its blocks come.

    Args:
        recording: The recording that is cut.
        rate_hz: The rate of its blocks, any; windows have 16 kHz.
        windowing: How it is cut.
        offset_s: The recording's start in seconds since the source's start.
    """

    def __init__(self, recording: Recording, rate_hz: int, windowing: Windowing, offset_s: float = 0.0) -> None:
        import soxr  # half a tenth of a second that only commands which hear sound pay

        self.recording = recording
        self._windowing = windowing
        self._offset_s = offset_s
        self._resampler = (
            None
            if rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        )
        self._heard = SampleBuffer(2 * windowing.samples)
        self._starts = WindowStarts(windowing)
        self._spoiled = _Spoiled(rate_hz)

    @property
    def unused_s(self) -> float:
        """How many seconds of sound came after the end of the last window."""
        return self._starts.unused(self._heard.end) / SAMPLE_RATE_HZ

    @property
    def kept_from(self) -> int:
        """The position, in samples at 16 kHz, from which on the sound may still be needed."""
        return self._heard.start

    def add(self, samples: FloatArray) -> Iterator[Window]:
        """Take the next block and give the windows that it completes.

        Args:
            samples: (frames,) float32, one channel at the recording's own rate. Samples that are no sound spoil the
                windows that they are in, and no others.
        """
        samples = self._spoiled.without(samples)
        self._heard.append(samples if self._resampler is None else self._resampler.resample_chunk(samples))
        yield from self._complete()

    def finish(self) -> Iterator[Window]:
        """Give the last windows of a recording that ended.

        Raises:
            SoundError: The recording is shorter than `MIN_CLIP_S`.
        """
        if self._resampler is not None:
            self._heard.append(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        yield from self._complete()
        require_length(self._heard.end / SAMPLE_RATE_HZ, self.recording.source, self._windowing.window_s)
        start = self._starts.last(self._heard.end)
        if start is not None:
            yield self._window(start)

    def _complete(self) -> Iterator[Window]:
        yield from map(self._window, self._starts.complete(self._heard.end))
        if self._heard.length > 2 * self._windowing.samples:
            # A last window may begin as early as this if the recording ends now, and the next hop begins later.
            self._heard.forget(self._heard.end - self._windowing.samples)
            self._spoiled.forget(self._heard.start)

    def _window(self, start: int) -> Window:
        end = min(start + self._windowing.samples, self._heard.end)
        samples = np.array(self._heard.view(start, end))
        repeated = len(samples) < self._windowing.samples
        if repeated:
            samples = np.resize(samples, self._windowing.samples)
        start_s = self._offset_s + start / SAMPLE_RATE_HZ
        return Window(samples, self.recording, start_s, repeated, self._spoiled.within(start, end))


class _Spoiled:
    """Where a recording holds samples that are no sound.

    They do not reach the resampler, which would smear them over its whole block: 75 ms of what is not a number after
    one sample that is not.

    Args:
        rate_hz: The rate of the samples; stretches are remembered by their positions at 16 kHz.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        slower_hz = min(rate_hz, SAMPLE_RATE_HZ)
        self._reach = 0 if rate_hz == SAMPLE_RATE_HZ else RESAMPLER_REACH * SAMPLE_RATE_HZ // slower_hz
        self._seen = 0
        self._stretches: list[tuple[int, int]] = []

    def without(self, samples: FloatArray) -> FloatArray:
        """Remember where the next samples (frames,) are no sound, and give them with zeros there."""
        good = is_sound(samples)
        if not good.all():
            bad = (self._seen + np.flatnonzero(~good)) * SAMPLE_RATE_HZ // self._rate_hz
            for near in np.split(bad, np.flatnonzero(np.diff(bad) > 2 * self._reach + 1) + 1):
                self._stretches.append((int(near[0]) - self._reach, int(near[-1]) + self._reach + 1))
            samples = np.where(good, samples, np.float32(0.0))
        self._seen += len(samples)
        return samples

    def within(self, start: int, end: int) -> bool:
        """Whether any of the sound between two positions is spoiled."""
        return any(first < end and last > start for first, last in self._stretches)

    def forget(self, before: int) -> None:
        """Give up what is known of the sound before a position."""
        self._stretches = [stretch for stretch in self._stretches if stretch[1] > before]


class SampleBuffer:
    """The latest samples of a stream, addressed by their position since its start.

    Args:
        room: How many samples it has room for before it grows.
    """

    def __init__(self, room: int) -> None:
        self._buffer: FloatArray = np.empty(room, np.float32)
        self.start = 0
        """The position of the first sample that is kept."""
        self.length = 0
        """How many samples are kept."""

    @property
    def end(self) -> int:
        """The position after the last sample."""
        return self.start + self.length

    def append(self, samples: FloatArray) -> None:
        """Add the samples (frames,) that come next."""
        needed = self.length + len(samples)
        if needed > len(self._buffer):
            grown = np.empty(2 * needed, np.float32)
            grown[: self.length] = self._buffer[: self.length]
            self._buffer = grown
        self._buffer[self.length : needed] = samples
        self.length = needed

    def view(self, start: int, end: int) -> FloatArray:
        """Samples where they lie, until the next `append` or `forget`."""
        samples: FloatArray = self._buffer[start - self.start : end - self.start]
        return samples

    def forget(self, before: int) -> None:
        """Give up the samples before a position."""
        drop = min(before - self.start, self.length)
        if drop <= 0:
            return
        kept = self.length - drop
        self._buffer[:kept] = self._buffer[drop : self.length].copy()
        self.start += drop
        self.length = kept


def read_windows(file: Path, samples: int, channel: Channel = 1) -> FloatArray:
    """Read the windows of one clip, cut with a hop as long as the window.

    Args:
        file: The path of the sound file, which may have any rate.
        samples: The length of a window, in samples at 16 kHz.
        channel: The channel to take.

    Returns:
        (windows, samples) at 16 kHz in [-1, 1]; at least one window.

    Raises:
        SoundError: The file cannot be read, is damaged or too short, holds samples that are no sound, or has no such
            channel.
    """
    with SoundFile(file) as opened:
        rate_hz = opened.rate_hz
        blocks = opened.blocks(_BLOCK_S * rate_hz)
        heard = np.concatenate([np.array(select_channel(block, channel, str(file))) for block in blocks])
    cutter = Cutter(Recording(str(file), str(file)), rate_hz, _side_by_side(samples, channel))
    windows = [*cutter.add(heard), *cutter.finish()]
    if any(window.spoiled for window in windows):
        raise SoundError(
            "The sound file holds samples that are no sound.",
            got=f"{file}: a value of {np.abs(heard).max():.3g}",
            valid=f"numbers in [-1, 1]; beyond {LARGEST_SAMPLE:.3g} even integers that nobody scaled are left behind",
            next_step="record or copy it again, or leave it out",
        )
    return np.stack([window.samples for window in windows])


def window_starts(length: int, samples: int) -> list[int]:
    """Tell where the windows begin that `read_windows` cuts, in samples at 16 kHz.

    Args:
        length: The length of the clip.
        samples: The length of a window.
    """
    starts = WindowStarts(_side_by_side(samples))
    complete = list(starts.complete(length))
    last = starts.last(length)
    return complete if last is None else [*complete, last]


def _side_by_side(samples: int, channel: Channel = 1) -> Windowing:
    return Windowing(samples, samples / SAMPLE_RATE_HZ, channel)
