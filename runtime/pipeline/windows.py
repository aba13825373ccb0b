"""From a source's blocks to windows: no window spans a break, and a window that the sensor spoiled is an event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from asd_edge.calibration.audio.channels import select_channel
from asd_edge.calibration.audio.windowing import Cutter, SampleBuffer, Window, Windowing
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.runtime.pipeline.not_finite import not_finite
from asd_edge.runtime.pipeline.sensor_fault import sensor_fault
from asd_edge.runtime.sources.source import BREAKS, Block, Event

_CLOCK_DIFFERS_S = 1e-3
"""From here on the time of a block says more than the number of samples before it: the clock of a sound card is not
that of the computer, and after a day they differ by seconds."""


def cut_windows(sound: Iterable[Block | Event], windowing: Windowing) -> Iterator[Window | Event]:
    """Cut sound into windows.

    Events are passed on in their place. After one that breaks the sound, cutting starts anew, and what was not yet
    part of a window is told as the event's `duration_s` where it has none. A window in which the sensor did not
    work, or whose sound is not all numbers, comes as an event too.

    Args:
        sound: The blocks and events that a source gives.
        windowing: The length of a window, the hop and the channel.

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
                    item = replace(item, duration_s=round(piece.cutter.unused_s, 3))  # noqa: PLW2901
                piece = None
            yield item
            continue
        if piece is None or piece.cutter.recording.id != item.recording.id:
            piece = _Piece(item, windowing)
        yield from piece.add(item)
        if item.last:
            yield from piece.finish()
            piece = None


class _Piece:
    """A continuous recording being cut, with its sound as the device gave it, in which a fault of the sensor shows."""

    def __init__(self, first: Block, windowing: Windowing) -> None:
        self.cutter = Cutter(first.recording, first.rate_hz, windowing, first.start_s)
        self._windowing = windowing
        self._rate_hz = first.rate_hz
        self._offset_s = first.start_s
        self._raw = SampleBuffer(int(2 * windowing.window_s * first.rate_hz))
        self._ahead_s = 0.0

    def add(self, block: Block) -> Iterator[Window | Event]:
        samples = np.ascontiguousarray(select_channel(block.samples, self._windowing.channel, block.recording.source))
        ahead_s = block.start_s - self._offset_s - self._raw.end / self._rate_hz
        self._ahead_s = ahead_s if abs(ahead_s) > _CLOCK_DIFFERS_S else 0.0
        self._raw.append(samples)
        yield from map(self._checked, self.cutter.add(samples))
        self._raw.forget(self._raw_position(self.cutter.kept_from))

    def finish(self) -> Iterator[Window | Event]:
        yield from map(self._checked, self.cutter.finish())

    def _checked(self, window: Window) -> Window | Event:
        """The window, or an event where its sound says nothing about the machine."""
        start = self._raw_position(round((window.start_s - self._offset_s) * SAMPLE_RATE_HZ))
        window = replace(window, start_s=window.start_s + self._ahead_s)
        if window.spoiled:
            return not_finite(window, "the sound")
        end = min(self._raw.end, start + round(self._windowing.window_s * self._rate_hz))
        fault = sensor_fault(self._raw.view(start, end), self._rate_hz)
        if fault is None:
            return window
        source, window_s = window.recording.source, self._windowing.window_s
        return Event("sensor_fault", source, round(window.start_s, 4), fault, window_s)

    def _raw_position(self, position: int) -> int:
        """A position at 16 kHz as one at the device's own rate."""
        return position * self._rate_hz // SAMPLE_RATE_HZ
