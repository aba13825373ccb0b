"""Looking over what was heard before it is learned: which windows are strange, which are copies, and what is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.bank.strange_windows import copies, strange
from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.calibration.contract.references import Recording
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.enrolment.taking_in import add_windows
from asd_edge.runtime.sources.flac_recorder import FlacRecorder
from asd_edge.runtime.sources.source import Block

_KINDS: tuple[Literal["strange", "copies"], ...] = ("strange", "copies")
DROPPED = {"strange": "unlike the rest", "copies": "the same sound again"}
"""The reasons under which a bank counts windows that were dropped."""
Place = tuple[str, float]
"""A window by the id of its recording and its start in it, in seconds."""


@dataclass(frozen=True)
class Stretch:
    """Windows that follow each other, where they are heard and how strange they are."""

    source: str
    """the path of the file or the name of the device"""
    start_s: float
    """where they begin in their recording, in seconds"""
    end_s: float
    """where they end, in seconds"""
    windows: int
    """how many windows it is"""
    times: float | None
    """how many times as far the strangest is from the rest as usual; none of copies"""
    same_as: str | None
    """the path of the file or the name of the device that has the same sound; none of strange windows"""
    same_as_start_s: float | None
    """where that begins in its recording, in seconds"""
    heard_at: str | None
    """when a microphone heard it, ISO 8601 with the time zone of this computer; none of files"""
    file: Path | None
    """the file to listen to; none where the sound was not kept"""
    file_start_s: float | None
    """where in that file it begins, in seconds"""


@dataclass(frozen=True)
class LookedOver:
    """Windows that were found, and what was done with them."""

    kind: Literal["strange", "copies"]
    """whether they do not sound like the rest, or are the same sound as an earlier window"""
    of: int
    """how many windows were looked at"""
    stretches: tuple[Stretch, ...]
    """where they are, in the order in which they were heard"""
    kept: bool = True
    """whether they are learned all the same"""
    answered: bool = False
    """whether a person said so at the question"""

    @property
    def windows(self) -> int:
        """How many windows were found."""
        return sum(stretch.windows for stretch in self.stretches)


Choose = Callable[[LookedOver], "bool | None"]
"""Says whether windows that were found are kept; none where nobody answers, and they are kept."""


class Hearing:
    """When and where the sound of an enrolment was heard, as far as this run knows.

    Args:
        live: Whether it comes from a microphone, so that it was heard at a time of the day.
        kept: What keeps the sound; none where it is not kept.
    """

    def __init__(self, live: bool = False, kept: FlacRecorder | None = None) -> None:
        self._live = live
        self._kept = kept
        self._began: dict[str, datetime] = {}

    def note(self, block: Block) -> None:
        """Take note of sound that was heard just now."""
        if self._live and block.recording.id not in self._began:
            end_s = block.start_s + len(block.samples) / block.rate_hz
            self._began[block.recording.id] = datetime.now(timezone.utc) - timedelta(seconds=end_s)

    def heard_at(self, place: Place) -> str | None:
        """When a window was heard, in local time; none where that is not known."""
        began = self._began.get(place[0])
        if began is None:
            return None
        return (began + timedelta(seconds=place[1])).astimezone().isoformat(timespec="seconds")

    def file(self, recording: Recording, start_s: float) -> tuple[Path, float] | tuple[None, None]:
        """The file to listen to a window in, and where; none where it was not kept."""
        if self._kept is not None and (found := self._kept.where(recording.id, start_s)) is not None:
            return found
        path = Path(recording.source)
        return (path, start_s) if not self._live and path.is_file() else (None, None)


@dataclass(frozen=True)
class Result:
    """What is left to be learned."""

    before: Bank | None
    """the bank that is added to; none for a new one"""
    new: Bank | None
    """the windows that were heard; none where none are left"""
    found: tuple[LookedOver, ...]
    """what was found"""
    dropped: Counter[str]
    """how many windows were dropped, by reason; the new windows know it, too, where any are left"""
    compared: Bank | None
    """those of the new windows that are to be compared with the bank: all but strange ones of which a person said that
    they are kept; none where none are left"""
    interrupted: bool
    """whether a question was answered with Ctrl-C; everything is kept then"""


def look_over(
    windows: HeldWindows, settings: EnrollSettings, choose: Choose | None, tell: Callable[[LookedOver], None]
) -> Result:
    """Find strange windows and copies among those that were heard, ask what shall become of them, and do it.

    Windows of a bank that never learned are looked at, too: an enrolment that was cut off or too short heard them.

    Args:
        windows: The windows that were heard, and those that the bank holds.
        settings: What is done with them where nobody is asked.
        choose: Is asked; when left out, what shall be asked is kept.
        tell: A function that is called with each kind of windows that was found, and what was done with them.
    """
    strange_rows, same = windows.look()
    found: list[LookedOver] = []
    dropped: dict[int, str] = {}
    settled: set[Place] = set()
    interrupted = False
    for kind in _KINDS:
        rows = sorted(strange_rows if kind == "strange" else set(same) - set(dropped))
        if not rows:
            continue
        one = LookedOver(
            kind, windows.looked_at, windows.stretches(rows, strange_rows, same if kind == "copies" else {})
        )
        wish, answer = getattr(settings, kind), None
        if kind == "copies" and windows.count - len(dropped) - len(rows) < MIN_INDEPENDENT_WINDOWS:
            wish = "keep"  # without them nothing could be learned, and the error of the bank says what they are
        elif wish == "ask" and choose is not None and not interrupted and not settings.yes:
            try:
                answer = choose(one)
            except KeyboardInterrupt:
                interrupted = True
        one = replace(one, kept=wish != "drop" and answer is not False, answered=answer is not None)
        if not one.kept:
            dropped |= dict.fromkeys(rows, DROPPED[kind])
        elif kind == "strange" and (wish == "keep" or answer):
            settled = set(map(windows.place, rows))
        found.append(one)
        tell(one)
    counts = Counter(dropped.values())
    gone = set(map(windows.place, dropped))
    before, new = windows.before, windows.new
    if new is not None and (new := _without(new, gone)) is not None:
        new = replace(new, info=replace(new.info, refused=dict(Counter(new.info.refused) + counts)))
    return Result(
        before=before if before is None or before.ready else _without(before, gone),
        new=new,
        found=tuple(found),
        dropped=counts,
        compared=None if new is None else _without(new, settled),
        interrupted=interrupted,
    )


def _without(bank: Bank, gone: set[Place]) -> Bank | None:
    """A bank without some of its windows; none where none is left."""
    rows = [row for row, place in enumerate(places(bank)) if place not in gone]
    if len(rows) == len(bank.references):
        return bank
    return replace(bank, references=bank.references.at(np.array(rows, np.intp))) if rows else None


def places(bank: Bank) -> list[Place]:
    """The places of the windows of a bank, in their order."""
    recordings = bank.info.recordings
    return [(recordings[number].id, start_s) for number, start_s in bank.references.timeline.places]


class HeldWindows:
    """All windows that are held, those that are looked over among them.

    Args:
        info: What the bank says about itself.
        before: The bank that is added to; none for a new one.
        new: The windows that were heard, as an enrolment saves them; none where there are none, but not of a new bank.
        hearing: When and where they were heard.

    Attributes:
        count: The number of windows of both.
        looked_at: How many of them are looked over.
    """

    def __init__(self, info: BankInfo, before: Bank | None, new: Bank | None, hearing: Hearing) -> None:
        growing = GrowingReferences(before)
        if new is not None:
            add_windows(growing, new)
        info, references = growing.so_far(info)
        self.before, self.new = before, new
        old = 0 if before is None or not before.ready else len(before.references)
        self.count = len(references)
        self.looked_at = len(references) - old
        if growing.left_out is not None:
            references = growing.left_out.with_references(references)
        self._references = references
        self._recordings = info.recordings
        self._hearing = hearing
        rows = np.arange(len(references))
        self._candidates: NDArray[np.bool_] = (rows >= old) & (rows < self.count)

    def look(self) -> tuple[dict[int, float], dict[int, int]]:
        """The strange rows with how strange they are, and the rows of copies with those that they are copies of."""
        if not self.looked_at:
            return {}, {}
        same = copies(self._references, self._candidates)
        alone = np.setdiff1d(np.arange(len(self._references)), list(same))
        times = strange(self._references.at(alone), self._candidates[alone])
        found = {int(alone[at]): height for at, height in times.items()}
        # A strange sound that is there twice is strange twice.
        return found | {row: found[first] for row, first in same.items() if first in found}, same

    def place(self, row: int) -> Place:
        """The place of a window."""
        return self._recording(row).id, self._start_s(row)

    def stretches(self, rows: list[int], times: dict[int, float], same: dict[int, int]) -> tuple[Stretch, ...]:
        """Rows as stretches of windows that follow each other; copies follow each other where their originals do."""
        found: list[list[int]] = []
        for row in rows:
            last = found[-1][-1] if found else None
            if last is not None and self._follows(last, row) and (not same or self._follows(same[last], same[row])):
                found[-1].append(row)
            else:
                found.append([row])
        return tuple(self._stretch(each, times, same) for each in found)

    def _stretch(self, rows: list[int], times: dict[int, float], same: dict[int, int]) -> Stretch:
        recording, start_s = self._recording(rows[0]), self._start_s(rows[0])
        file, file_start_s = self._hearing.file(recording, start_s)
        first = same.get(rows[0])
        return Stretch(
            source=recording.source,
            start_s=start_s,
            end_s=self._start_s(rows[-1]) + self._references.timeline.window_s,
            windows=len(rows),
            times=None if same else max(times[row] for row in rows),
            same_as=None if first is None else self._recording(first).source,
            same_as_start_s=None if first is None else self._start_s(first),
            heard_at=self._hearing.heard_at(self.place(rows[0])),
            file=file,
            file_start_s=file_start_s,
        )

    def _follows(self, earlier: int, later: int) -> bool:
        timeline = self._references.timeline
        apart_s = self._start_s(later) - self._start_s(earlier)
        one = timeline.recordings[earlier] == timeline.recordings[later]
        return bool(one) and 0.0 < apart_s <= max(timeline.hop_s, timeline.window_s) * 1.01

    def _recording(self, row: int) -> Recording:
        return self._recordings[int(self._references.timeline.recordings[row])]

    def _start_s(self, row: int) -> float:
        return float(self._references.timeline.starts_s[row])
