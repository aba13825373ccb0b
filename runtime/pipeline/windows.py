"""From blocks to windows: channel, resampling to 16 kHz, and cutting, where no window spans a break."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from asd_edge.calibration.audio.sound_file import MIN_CLIP_S, MIN_TAIL_S, Channel, select_channel, too_short
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.pipeline.sensor_fault import sensor_fault
from asd_edge.runtime.sources.source import BREAKS, Block, Event, level_dbfs

MIN_HOP_S = 0.05
"""Shorter than any sound of a machine that a window of a second could tell apart."""


def require_hop(hop_s: float) -> None:
    """Refuse a time between windows that cannot be.

    Raises:
        InputError: It is not a number, or under `MIN_HOP_S`.
    """
    if not hop_s >= MIN_HOP_S:
        raise InputError(
            "The hop between windows is too short.",
            got=f"{hop_s:g} s",
            valid=f"{MIN_HOP_S:g} s or more",
            next_step="try --hop 10",
        )


@dataclass(frozen=True)
class Windowing:
    """How sound is cut into windows."""

    samples: int
    """length of a window at 16 kHz"""
    hop_s: float = 10.0
    channel: Channel = 1

    def __post_init__(self) -> None:
        require_hop(self.hop_s)

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.samples / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Window:
    """A piece of sound as the model takes it."""

    samples: FloatArray
    """(samples,) at 16 kHz"""
    recording: Recording
    start_s: float
    """since the start of the file, or since the microphone was opened"""
    repeated: bool = False
    """whether a shorter recording was repeated to fill it"""

    @property
    def level_dbfs(self) -> float:
        """Level in decibels relative to full scale."""
        return level_dbfs(self.samples)


def cut_windows(sound: Iterable[Block | Event], cut: Windowing) -> Iterator[Window | Event]:
    """Cut sound into windows.

    Events are passed on in their place. After one that breaks the sound, cutting starts anew, and what was not yet
    part of a window is told as the event's `duration_s` where it has none. A window in which the sensor did not work
    comes as an event too.

    Args:
        sound: What a source gives.
        cut: Length, hop and channel.

    Yields:
        Windows in order of time, between events.

    Raises:
        SoundError: The source has no such channel, or a recording is too short.
    """
    piece: _Piece | None = None
    for item in sound:
        if isinstance(item, Event):
            if item.event in BREAKS and piece is not None:
                if item.duration_s is None:
                    item = replace(item, duration_s=round(piece.unused_s, 3))  # noqa: PLW2901
                piece = None
            yield item
            continue
        if piece is None or piece.recording.id != item.recording.id:
            piece = _Piece(item, cut)
        yield from piece.add(item)
        if item.last:
            yield from piece.finish()
            piece = None


class _Piece:
    """One continuous recording being cut."""

    def __init__(self, first: Block, cut: Windowing) -> None:
        import soxr  # only commands that hear sound need it

        self.recording = first.recording
        self._cut = cut
        self._rate_hz = first.rate_hz
        self._offset_s = first.start_s
        self._resampler = (
            None
            if first.rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(first.rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        )
        self._raw = _Tail(int(2 * cut.window_s * first.rate_hz))
        self._heard = _Tail(2 * cut.samples)
        self._count = 0

    @property
    def unused_s(self) -> float:
        """Sound that came after the end of the last window."""
        end = (self._start_of(self._count - 1) + self._cut.samples) if self._count else 0
        return max(0.0, self._heard.end - end) / SAMPLE_RATE_HZ

    def add(self, block: Block) -> Iterator[Window | Event]:
        samples = np.ascontiguousarray(select_channel(block.samples, self._cut.channel, block.recording.source))
        self._raw.append(samples)
        self._heard.append(samples if self._resampler is None else self._resampler.resample_chunk(samples))
        yield from self._ready()

    def finish(self) -> Iterator[Window | Event]:
        """The rest of a recording that ended: a last window, or a short recording repeated."""
        if self._resampler is not None:
            self._heard.append(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        yield from self._ready()
        length_s = self._heard.end / SAMPLE_RATE_HZ
        if length_s < MIN_CLIP_S:
            raise too_short(self.recording.source, length_s, self._cut.window_s)
        if self._heard.end < self._cut.samples:
            heard = self._heard.read(0, self._heard.end)
            yield from self._window(0, np.resize(heard, self._cut.samples), repeated=True)
        elif self._cut.hop_s <= self._cut.window_s and self.unused_s >= MIN_TAIL_S:
            start = self._heard.end - self._cut.samples
            yield from self._window(start, self._heard.read(start, self._heard.end))

    def _ready(self) -> Iterator[Window | Event]:
        while (start := self._start_of(self._count)) + self._cut.samples <= self._heard.end:
            self._count += 1
            yield from self._window(start, self._heard.read(start, start + self._cut.samples))
        if self._heard.length > 2 * self._cut.samples:
            # Keep what both the next hop and a last window at the end may still need.
            keep = min(self._start_of(self._count), self._heard.end - self._cut.samples)
            self._heard.forget(keep)
            self._raw.forget(keep * self._rate_hz // SAMPLE_RATE_HZ)

    def _window(self, start: int, samples: FloatArray, repeated: bool = False) -> Iterator[Window | Event]:
        start_s = self._offset_s + start / SAMPLE_RATE_HZ
        raw_start = start * self._rate_hz // SAMPLE_RATE_HZ
        raw_end = min(self._raw.end, raw_start + round(self._cut.window_s * self._rate_hz))
        fault = sensor_fault(self._raw.view(raw_start, raw_end), self._rate_hz)
        if fault is None:
            yield Window(samples, self.recording, start_s, repeated)
        else:
            yield Event("sensor_fault", self.recording.source, round(start_s, 4), fault, self._cut.window_s)

    def _start_of(self, index: int) -> int:
        return round(index * self._cut.hop_s * SAMPLE_RATE_HZ)


class _Tail:
    """The latest samples of a stream, addressed by their position since its start."""

    def __init__(self, room: int) -> None:
        self._buffer: FloatArray = np.empty(room, np.float32)
        self._first = 0  # position of the first sample kept
        self.length = 0

    @property
    def end(self) -> int:
        return self._first + self.length

    def append(self, samples: FloatArray) -> None:
        needed = self.length + len(samples)
        if needed > len(self._buffer):
            grown = np.empty(2 * needed, np.float32)
            grown[: self.length] = self._buffer[: self.length]
            self._buffer = grown
        self._buffer[self.length : needed] = samples
        self.length = needed

    def view(self, start: int, end: int) -> FloatArray:
        """Samples where they lie, until the next `append` or `forget`."""
        samples: FloatArray = self._buffer[start - self._first : end - self._first]
        return samples

    def read(self, start: int, end: int) -> FloatArray:
        return np.array(self.view(start, end))

    def forget(self, before: int) -> None:
        """Give up samples before a position."""
        drop = min(before - self._first, self.length)
        kept = self.length - drop
        self._buffer[:kept] = self._buffer[drop : self.length].copy()
        self._first += drop
        self.length = kept
