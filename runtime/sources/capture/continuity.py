"""From blocks as a device gives them to sound with its time, in pieces between which nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.runtime.sources.capture.dropouts import DropoutDetector
from asd_edge.runtime.sources.source import Block, Event, new_recording

_RIGHT_S = 0.05
"""Below this the length of lost sound is not known: so much may one block come later than another."""


class Continuity:
    """The sound of one stream.

    A block that comes late waits until it is known whether sound before it is missing. Where some is, an event tells
    how much, and the sound behind it is another recording, so that no window spans the hole.

    Args:
        name: The name of the source.
        rate_hz: The sample rate that the device promises.

    Attributes:
        late_blocks: How often sound came late so far, whether or not it was lost.
        end_s: The time of the end of the sound that was given so far; none before any was.
    """

    def __init__(self, name: str, rate_hz: int) -> None:
        self._name = name
        self._rate_hz = rate_hz
        self._dropouts = DropoutDetector(rate_hz)
        self._recording = new_recording(name)
        self._frames = 0
        self._late: list[tuple[FloatArray, int]] = []
        self._broken_by = ""
        self.late_blocks = 0
        self.end_s: float | None = None

    def add(self, samples: FloatArray, arrived_s: float, broken_by: str = "") -> Iterator[Block | Event]:
        """Take the next block, and give what is certain now.

        Args:
            samples: The sound, ``(frames, channels)``.
            arrived_s: When it came, in seconds since the source was opened.
            broken_by: What lost the sound before this block, in words; empty where none is known to be lost.
        """
        if broken_by:
            yield from self.finish()
            self._broken_by = broken_by
        before_s = self._dropouts.offset_s
        verdict = self._dropouts.add(arrived_s, len(samples), bool(broken_by))
        if verdict == "late" and not self._late and not self._broken_by:
            self.late_blocks += 1
        self._late.append((samples, self._frames))
        self._frames += len(samples)
        if verdict == "lost":
            yield from self._with_hole(before_s)
        elif verdict == "on time":
            yield from self._given(self._late, self._dropouts.offset_s)
            self._late = []

    def finish(self) -> Iterator[Block | Event]:
        """Give what still waits, with what can be told of it now: the stream ends, or it breaks."""
        before_s = self._dropouts.offset_s
        if self._broken_by:
            self._dropouts.decide()
            yield from self._with_hole(before_s)
        elif self._late:
            self._dropouts.release()
            self._recording = new_recording(self._name)  # something may be missing before it
            yield from self._given(self._late, before_s)
            self._late = []

    def _with_hole(self, before_s: float) -> Iterator[Block | Event]:
        """The blocks that waited, and between them the event of the sound that is missing.

        Args:
            before_s: The offset of the time of sound before the hole.
        """
        dropouts, late = self._dropouts, self._late
        if dropouts.before_hole:
            self._recording = new_recording(self._name)  # something may be missing before this, too
            yield from self._given(late[: dropouts.before_hole], before_s)
        begin_s = late[dropouts.before_hole][1] / self._rate_hz + before_s
        end_s = late[dropouts.after_hole][1] / self._rate_hz + dropouts.offset_s
        lost_s = round(end_s - begin_s, 3)
        if self._broken_by:
            known_s = lost_s if lost_s > _RIGHT_S else None
            yield Event("overrun", self._name, round(begin_s, 3), self._broken_by, known_s)
        elif lost_s:
            yield Event("gap", self._name, round(begin_s, 3), f"{lost_s:.2f} s of sound never arrived", lost_s)
        self._recording = new_recording(self._name)
        yield from self._given(late[dropouts.after_hole :], dropouts.offset_s)
        self._late, self._broken_by = [], ""

    def _given(self, blocks: list[tuple[FloatArray, int]], offset_s: float) -> Iterator[Block]:
        for samples, position in blocks:
            start_s = position / self._rate_hz + offset_s
            self.end_s = start_s + len(samples) / self._rate_hz
            yield Block(samples, self._rate_hz, self._recording, start_s)
