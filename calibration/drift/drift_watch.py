"""The drift watch: what changes in the sound of a machine that is listened to, and of which kind the change is.

Four things that all make scores higher, or will, are told apart by how the sound came to where it is, by what moved and
by whether it stays there:

- everything moved at once: a step, after which most bands lie elsewhere or all are louder by the same decibels;
- a state never heard before: a step, after which the sound is steady and few bands lie elsewhere;
- a fault that begins: it grows over minutes or hours, or comes and goes;
- everything moves slowly: over half a day or more.

A step that is a breakage, and a fault that grows for weeks, look like a state and like a drift; only a person can tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.drift.history import BLOCKS_IN_SPAN, Course, History
from asd_edge.calibration.drift.level_test import LevelTest
from asd_edge.calibration.drift.rank_test import RankTest
from asd_edge.calibration.drift.slow_test import SlowTest
from asd_edge.calibration.scorers.normalisation import Normalisation

ChangeKind = Literal["moved", "new_state", "fault_begins", "drift", "as_before"]

_FARTHEST = 30.0
"""A dimension that lies further away, in deviations of the bank, counts as so far: one that was all but constant while
the bank was enrolled must not outweigh all others."""
_SETTLES_S, _LEAST_TO_SETTLE = 600.0, 24
"""So long, and so many windows, are heard from the beginning of a change on before it is named."""
_STEP_S, _STEP_PIECES = 180.0, 3
"""What takes no longer, or no more pieces of the course, happened at once."""
_SLOW_S = 43_200.0
"""What takes longer is slow."""
_BEGUN, _ARRIVED = 0.25, 0.75
"""The shares of the way between which the time that a change takes is measured."""
_AWAY, _BACK = 0.65, 0.35
"""Beyond these shares of the way the sound is away, or back; between them it is neither."""
_RETURNS = 2
"""Sound that came back so often comes and goes."""
_PIECE = 3
"""So many windows are looked at together in a course, or more where they scatter."""
_STEADY = 0.12
"""The scatter of the pieces of a course, as a share of the way, with which `_AWAY` and `_BACK` are well apart."""
_MOVED_DB, _MOVED_DEVIATIONS = 1.0, 2.0
"""A band has moved whose level is so many decibels higher or lower, and so many deviations of blocks before."""
_BROAD = 0.6
"""Everything moved where so many bands have."""
_ADDED = 1.0 / 3.0
"""So many bands, all of them louder, are another machine beside it: a microphone elsewhere loses some."""
_AS_VARIED = 0.5
"""Windows that have so much of the variance of the bank's are in all of its states."""
_LEAST_BEFORE = 3
"""From so many blocks on it is known how the sound was before."""
_LATEST_BLOCKS = 6
"""So many blocks say where the sound is now, when it is known what changed and looked for whether it goes on."""
_FURTHER = 0.5
"""A change is told again when the sound has moved on by so much of the way."""
_DOUBLED = 1.0
"""That of a fault, which is expected to grow, by so much."""
_SAME = 0.25
"""States are the same whose distance, squared, is a smaller share of that to the usual sound."""
_MOST_STATES = 16
"""So many states are remembered, so as not to be told again."""
_NO_BANDS = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Change:
    """What changed in the sound of a machine."""

    kind: ChangeKind
    began_s: float | None = None
    """how long ago it began, in seconds of sound; none where it was so from the first window on"""
    took_s: float = 0.0
    """how long it took, or has been going on, in seconds of sound"""
    level_db: float | None = None
    """by how many decibels all bands are louder than in the bank; none where they do not agree on that"""
    bands: float | None = None
    """the share of the bands that have moved; none where that is not known"""
    deviations: float | None = None
    """how far the sound has moved, in deviations of single windows, as the root mean square over all dimensions"""
    comes_and_goes: bool = False
    """whether it comes and goes"""
    further: bool = False
    """whether it was told before, and has gone on since"""
    sure: bool = True
    """whether the course of the change stands out from how single windows scatter"""


class DriftWatch:
    """Tells what changes in the sound of a machine, once, and again when it changes.

    It knows what the bank says; of all that was heard it keeps a bounded history. Another bank needs another watch.

    Args:
        bank: The bank, which knows what is normal.
        hop_s: The time from one window to the next in seconds.

    Attributes:
        level: The change of the level that was told; none where the level is as in the bank.
        sound: The change of the sound that was told; none where it is as in the bank.
    """

    def __init__(self, bank: Bank, hop_s: float) -> None:
        references, info = bank.references, bank.info
        others = references.others if bank.left_out is None else bank.left_out.moments
        self._normalisation = Normalisation.of(references.embeddings, others)
        self._bank_db = np.asarray(info.band_levels_db, np.float32)
        self._hop_s = hop_s
        self._dimensions = references.embeddings.shape[1]
        self._ranks = RankTest(bank.ranked, hop_s)
        self._levels = LevelTest(info.band_levels_db, info.level_deviation_db, hop_s)
        self._slow = SlowTest(self._dimensions)
        self._history: History | None = None
        self._piece = max(_PIECE, self._ranks.together)
        self._settles = max(math.ceil(_SETTLES_S / hop_s), _LEAST_TO_SETTLE)
        self._named_at: int | None = None
        self._leveled_at = 0
        self._levels_apart = 0.0
        self._before: FloatArray = np.zeros(self._dimensions, np.float32)
        self._centre: FloatArray = self._before
        self._blocks_since = 0
        self._states: list[FloatArray] = []
        self.level: Change | None = None
        self.sound: Change | None = None

    def add(self, embedding: FloatArray, score: float, levels_db: FloatArray | None = None) -> list[Change]:
        """Take the next window that was scored.

        Args:
            embedding: (dim,) its embedding.
            score: Its score.
            levels_db: (bands,) the levels of its bands; none where they are not known.

        Returns:
            What changed with it and is to be told; mostly nothing.
        """
        levels = _NO_BANDS if levels_db is None else levels_db
        if self._history is None:
            self._history = History(self._dimensions, len(levels), self._hop_s)
        z = np.clip(self._normalisation.apply(embedding), -_FARTHEST, _FARTHEST)
        self._slow.add_window(z)
        block_ended = self._history.add(z, levels)
        told = [self._level_changed(levels, self._history), self._scores_changed(score, self._history)]
        if block_ended:
            told += [self._goes_on(self._history), self._drifts(self._history)]
        return [each for each in told if each is not None]

    def level_now(self) -> float | None:
        """By how many decibels the latest few windows are louder than the bank, where all bands agree on it."""
        return self._levels.shift_now()

    def _level_changed(self, levels: FloatArray, history: History) -> Change | None:
        if not len(levels) or (shift := self._levels.add(levels)) is None:
            return None
        self._leveled_at = self._ranks.windows + 1
        if not shift:
            self.level = None
            return Change("as_before", level_db=0.0)
        course = _level_course(history, shift)
        began, took = (None, 0.0) if course is None else _when(course, 1)
        if began is None and len(history.loudness) < history.loudness.seen:
            began = took = float(history.in_block * len(history.loudness))  # longer than anything is remembered
        took_s = took * self._hop_s
        further = self.level is not None
        self.level = Change(
            "drift" if took_s > _SLOW_S else "moved",
            began if began is None else began * self._hop_s,
            took_s,
            level_db=shift,
            further=further,
        )
        return self.level

    def _scores_changed(self, score: float, history: History) -> Change | None:
        """Take a score; give the change when its time has come to be named, or when it is over."""
        if self._ranks.add(score):
            if not self._ranks.on:
                known, self.sound, self._named_at = self.sound, None, None
                history.begin_span()
                # What was told once of a state that comes again and again need not be told each time that it goes.
                return None if known is None else Change("as_before")
            self._named_at = max(self._ranks.windows, self._ranks.began + self._settles)
        if self._named_at is None or self._ranks.windows < self._named_at:
            return None
        self._named_at = None
        return self._named(history)

    def _named(self, history: History) -> Change | None:
        """Name what made scores high."""
        since = self._ranks.windows - self._ranks.began
        before = self._usual(history, since)
        latest = history.windows.latest(max(self._piece * 4, min(since // 3, 10 * _PIECE)))
        found = self._explained(history, before, latest, since)
        known = before if before is not None else np.zeros(self._dimensions, np.float32)
        self._before, self._centre, self._blocks_since = known, latest.mean(axis=0), 0
        if self._leveled_at > self._ranks.began - self._settles and self.level is not None:
            self.sound = self.level  # the gain changed, and scores with it: that has been told
            return None
        if found.kind == "new_state" and self._is_known(self._centre):
            return None
        if found.kind == "drift" and self.sound is not None and self.sound.kind == "drift":
            return None  # scores have come to tell what the means of days told before
        return self._told(found, history)

    def _usual(self, history: History, since: int) -> FloatArray | None:
        """Where the sound was before, (dim,); none where too little was heard of it."""
        first = self._slow.first
        if first is not None and self._ranks.windows - since > history.in_span:
            return first
        blocks = history.blocks.latest(before=math.ceil(since / history.in_block) + 1)
        return np.asarray(blocks.mean(axis=0)) if len(blocks) >= _LEAST_BEFORE else None

    def _explained(self, history: History, before: FloatArray | None, latest: FloatArray, since: int) -> Change:
        """What kind of change led from one place to another."""
        hop_s, now = self._hop_s, latest.mean(axis=0)
        start = np.zeros(self._dimensions, np.float32) if before is None else before
        way = now - start
        size = float(np.sqrt(np.mean(np.square(way))))
        if before is None:
            bands = self._bands_moved(history, None)
            share, everything = bands or (None, False)
            return Change("moved" if everything else "new_state", None, 0.0, None, share, size)
        course, piece, sure = self._course(history, before, way, since)
        began, took = _when(course, piece)
        if began is None:
            began = took = float(course.at[0])  # longer than anything is remembered
        took_s = took * hop_s
        recent = course.share[course.at <= since + 2 * piece]
        bands = self._bands_moved(history, began)
        comes_and_goes = _returns(recent) >= _RETURNS
        kind: ChangeKind
        if took_s > _SLOW_S:
            kind = "drift"
        elif comes_and_goes or (took_s > _STEP_S and took > _STEP_PIECES * piece):
            kind = "fault_begins"
        elif self._as_varied(history, began) if bands is None else bands[1]:
            kind = "moved"
        else:
            kind = "new_state"
        return Change(
            kind, began * hop_s, took_s, None, None if bands is None else bands[0], size, comes_and_goes, sure=sure
        )

    def _course(self, history: History, before: FloatArray, way: FloatArray, since: int) -> tuple[Course, int, bool]:
        """The course of a change, in pieces of how many windows it is, and whether they scatter little."""
        piece = self._piece
        while True:
            course = history.course(before, way, piece)
            fine = course.share[course.at < len(history.windows)]
            quiet = course.share[(course.at < len(history.windows)) & (course.at > since)]
            scatter = float(quiet.std()) if len(quiet) >= 2 * _LEAST_BEFORE else _scatter(fine)
            if scatter <= _STEADY:
                return course, piece, True
            if 2 * piece > history.in_block:
                return _smooth(course, math.ceil((scatter / _STEADY) ** 2)), piece, False
            piece *= 2

    def _bands_moved(self, history: History, began: float | None) -> tuple[float, bool] | None:
        """The share of the bands whose level is another than before, and whether that is everything.

        Args:
            history: What was heard.
            began: When the sound changed, in windows before now; none for what the bank says.

        Returns:
            None where levels are not known.
        """
        levels = history.levels.latest().astype(np.float64)
        if not levels.shape[1] or not len(levels):
            return None
        before, scatter = self._bank_db, np.zeros(len(self._bank_db))
        if began is not None:
            blocks = math.ceil(began / history.in_block)
            earlier = levels[: max(0, len(levels) - blocks - 1)]
            if len(earlier):
                before, scatter = earlier.mean(axis=0), earlier.std(axis=0)
        if not len(before):
            return None
        louder = levels[-_LEAST_BEFORE:].mean(axis=0) - before
        moved = np.abs(louder) > np.maximum(_MOVED_DB, _MOVED_DEVIATIONS * scatter)
        share = float(moved.mean())
        return share, share >= _BROAD or (share >= _ADDED and bool(np.all(louder[moved] > 0.0)))

    def _as_varied(self, history: History, began: float | None) -> bool:
        """Whether windows differ from each other as much as those of the bank do, so that all of its states moved."""
        rows = history.windows.latest()
        rows = rows[-int(min(len(rows), max(2 * _LEAST_BEFORE, began or len(rows)))) :]
        return float(rows.var(axis=0).mean()) >= _AS_VARIED

    def _goes_on(self, history: History) -> Change | None:
        """Tell a change again when the sound has moved on since."""
        if self.sound is None or not self._ranks.on or self._named_at is not None:
            return None
        self._blocks_since += 1
        if self._blocks_since < _LATEST_BLOCKS:
            return None
        latest = history.blocks.latest(_LATEST_BLOCKS)
        if self.sound.kind == "drift":  # where it has come to by and by is no news, only what comes on top of it
            self._centre = history.blocks.latest(BLOCKS_IN_SPAN, before=_LATEST_BLOCKS).mean(axis=0)
        way = self._centre - self._before
        further = (latest[::2].mean(axis=0) - self._centre) @ (latest[1::2].mean(axis=0) - self._centre)
        share = _DOUBLED if self.sound.kind == "fault_begins" else _FURTHER
        if float(further) < share**2 * float(way @ way):
            return None
        centre = latest.mean(axis=0)
        known = self._is_known(centre)
        grows = float((centre - self._before) @ way) > (1.0 + share / 2.0) * float(way @ way)
        since = _LATEST_BLOCKS * history.in_block
        found = self._explained(history, self._centre, latest, since)
        self._centre, self._blocks_since = centre, 0
        if not grows or known:
            return None
        if self.sound.kind == "drift" and (found.kind == "drift" or not found.sure):
            return None  # that it goes on is told by the means of days
        keeps = not found.sure or (self.sound.kind == "fault_begins" and found.kind != "drift")
        return self._told(replace(found, kind=self.sound.kind if keeps else found.kind, further=True), history)

    def _drifts(self, history: History) -> Change | None:
        """Take the span that ended, if one did: whether the sound has moved slowly."""
        if self._ranks.on and (self.sound is None or self.sound.kind in ("new_state", "fault_begins")):
            history.begin_span()  # how it sounds meanwhile says nothing about wear or the season
            return None
        if history.end_span() is None:
            return None
        size = self._slow.add_span(history.spans.latest())
        if size is None:
            return None
        further = self.sound is not None and self.sound.kind == "drift"
        took_s = self._hop_s * history.in_span * len(history.spans)
        return self._told(Change("drift", took_s, took_s, deviations=size, further=further), history)

    def _told(self, change: Change, history: History) -> Change:
        self.sound = change
        if change.kind == "new_state" and len(self._states) < _MOST_STATES:
            self._states.append(self._centre)
        if change.kind == "drift" and change.deviations is not None:
            self._slow.told = max(self._slow.told, change.deviations)
        if change.kind == "moved":
            history.spans.clear()
            self._slow.restart()
        return change

    def _is_known(self, centre: FloatArray) -> bool:
        """Whether a state was told before."""
        size = float(np.square(centre - self._before).sum())
        return any(float(np.square(centre - each).sum()) < _SAME * size for each in self._states)


def _level_course(history: History, shift: float) -> Course | None:
    """How far the level has come on the way to where it is; none where nothing was heard before."""
    means = history.loudness.latest()[:, 0].astype(np.float64)
    if len(means) < _LEAST_BEFORE:
        return None
    at = history.in_block * np.arange(len(means) - 1, -1, -1, dtype=np.float64)
    return Course(at, 1.0 - (means[-1] - means) / shift)


def _when(course: Course, piece: int) -> tuple[float | None, float]:
    """When a change began, and how long it took, in windows before now; none where it began before all that is known.

    Args:
        course: The course of the sound.
        piece: The number of windows in a piece of it.
    """
    early = np.flatnonzero(course.share <= _BEGUN)
    if not len(early):
        return None, 0.0
    last = int(early[-1])
    late = np.flatnonzero(course.share[last:] >= _ARRIVED)
    arrived = float(course.at[last + int(late[0])]) if len(late) else 0.0
    return float(course.at[last]), max(0.0, float(course.at[last]) - arrived - piece)


def _smooth(course: Course, count: int) -> Course:
    """A course whose pieces are the means of so many that follow each other, or of a quarter of them at the most."""
    count = max(1, min(count, len(course.share) // 4))
    weights = np.full(count, 1.0 / count)
    return Course(np.convolve(course.at, weights, "valid"), np.convolve(course.share, weights, "valid"))


def _returns(share: np.ndarray) -> int:
    """How often the sound was away, and came back."""
    away, returns = False, 0
    for each in share.tolist():
        if not away and each >= _AWAY:
            away = True
        elif away and each <= _BACK:
            away = False
            returns += 1
    return returns


def _scatter(share: np.ndarray) -> float:
    """The deviation of pieces that follow each other, whatever their course."""
    steps = np.abs(np.diff(share))
    return float(np.median(steps) / (0.6745 * np.sqrt(2.0))) if len(steps) else 0.0
