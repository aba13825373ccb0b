"""What people said about alarms, as a bank keeps it: the history, which windows came by it, and the known faults."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.audio.bandwidth import BANDS
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import IndexArray, Timeline
from asd_edge.calibration.errors import InputError

AnswerKind = Literal[
    "normal",  # an alarm was none: its windows are normal sound
    "fault",  # an alarm was right: its windows are kept, to see whether it would be found again
    "days",  # shadow days were normal sound
]
_KINDS: tuple[str, ...] = get_args(AnswerKind)
_MOST_TEXT = 10_000
"""The most characters of a text in an answer."""


@dataclass(frozen=True)
class Answer:
    """One thing that a person said.

    Raises:
        InputError: A value is out of bounds.
    """

    kind: str
    """``normal``, ``fault`` or ``days``, see `AnswerKind`."""
    time: str
    """When it was said, in UTC by ISO 8601."""
    windows: int
    """The number of windows that joined the bank, or are kept as a fault."""
    alarm: int = 0
    """The number of the alarm, or of the shadow days, in the store beside the bank."""
    began: str = ""
    """When the alarm or the shadow days began, in UTC by ISO 8601."""
    ended: str = ""
    """When they ended, likewise."""
    note: str = ""
    """What else the person said."""
    undone: str = ""
    """When the answer was taken back, in UTC by ISO 8601; empty while it holds."""
    levels_before_db: tuple[float, ...] = ()
    """The mean levels of the bank's bands before shadow days joined them; empty where they did not."""
    deviation_before_db: float | None = None
    """The deviation of the windows' levels before, see `BankInfo.level_deviation_db`."""

    def __post_init__(self) -> None:
        texts = (self.kind, self.time, self.began, self.ended, self.note, self.undone)
        numbers = (self.windows, self.alarm)
        is_valid = (
            all(isinstance(text, str) and len(text) <= _MOST_TEXT for text in texts)
            and all(type(number) is int and number >= 0 for number in numbers)
            and self.kind in _KINDS
            and len(self.levels_before_db) in (0, BANDS)
            and all(
                isinstance(value, (int, float)) and math.isfinite(value)
                for value in (*self.levels_before_db, self.deviation_before_db or 0.0)
            )
        )
        if not is_valid:
            raise InputError(
                "A bank cannot have this answer.",
                got=f"{self!r:.200}",
                valid=f"texts of at most {_MOST_TEXT} characters, numbers of 0 or more, and one of {', '.join(_KINDS)}",
                next_step="see help() of the class Answer",
            )

    @property
    def holds(self) -> bool:
        """Whether the answer was not taken back."""
        return not self.undone


@dataclass(frozen=True, eq=False)
class Answered:
    """The windows that came into a bank by answers.

    Those of faults are no normal sound and are compared with nothing: they are kept to be scored again.
    """

    numbers: NDArray[np.int32]
    """(windows,): the answer by which each window became a normal one, counted from 0 in `BankInfo.answers`."""
    timeline: Timeline
    """When each of these windows was recorded; the windows themselves are among the bank's."""
    picked: NDArray[np.bool_]
    """(windows,): whether each was picked by its score, as the windows of an alarm are. Such windows are normal sound
    and are compared with; but the many quiet ones between them are not there, so that they say nothing about how often
    normal sound scores high."""
    sessions: NDArray[np.int32]
    """(windows,): the day of shadow days that each was heard on, each of which has a number above 0; -1 where it was
    heard on none."""
    fault_numbers: NDArray[np.int32]
    """(faults,): the answer by which each window of a fault is known, counted likewise."""
    faults: FloatArray
    """(faults, dim): the embeddings of the windows of faults, in order of time within each answer."""
    fault_errors: NDArray[np.float64] | None = None
    """(faults,): how badly the model rebuilt each; none from models that rebuild nothing."""

    @classmethod
    def nothing(cls, window_s: float, dimensions: int, rebuilds: bool) -> Answered:
        """No window yet.

        Args:
            window_s: The length of a window in seconds.
            dimensions: The length of an embedding.
            rebuilds: Whether the model says how badly it rebuilt a window.
        """
        none = np.empty(0, np.int32)
        errors = np.empty(0) if rebuilds else None
        faults = np.empty((0, dimensions), np.float32)
        return cls(none, Timeline(none, np.empty(0), window_s), none.astype(np.bool_), none, none, faults, errors)

    def with_normal(
        self, number: int, timeline: Timeline, chosen: NDArray[np.bool_], sessions: NDArray[np.int32]
    ) -> Answered:
        """With more normal windows; those that came by another answer go over to this one.

        Args:
            number: The number of the answer.
            timeline: When the windows were recorded.
            chosen: (windows,) which of them were picked by their scores.
            sessions: (windows,) the day of each, see `sessions`.
        """
        rest = self.without_windows(timeline)
        numbers = np.concatenate([rest.numbers, np.full(len(timeline.starts_s), number, np.int32)])
        return replace(
            rest,
            numbers=numbers,
            timeline=rest.timeline.with_more(timeline),
            picked=np.concatenate([rest.picked, chosen]),
            sessions=np.concatenate([rest.sessions, sessions]),
        )

    def with_fault(self, number: int, faults: FloatArray, errors: NDArray[np.float64] | None) -> Answered:
        """With the windows of a fault, by the answer of a number."""
        both = None if self.fault_errors is None or errors is None else np.concatenate([self.fault_errors, errors])
        return replace(
            self,
            fault_numbers=np.concatenate([self.fault_numbers, np.full(len(faults), number, np.int32)]),
            faults=np.concatenate([self.faults, faults]),
            fault_errors=both,
        )

    def without(self, number: int) -> Answered:
        """Without what came by the answer of a number."""
        keeps = self.fault_numbers != number
        errors = self.fault_errors
        return replace(
            self._rows(self.numbers != number),
            fault_numbers=self.fault_numbers[keeps],
            faults=self.faults[keeps],
            fault_errors=None if errors is None else errors[keeps],
        )

    def without_windows(self, timeline: Timeline) -> Answered:
        """Without the normal windows that were recorded at these times."""
        return self._rows(~self.timeline.rows_of(timeline))

    def of(self, number: int) -> Timeline:
        """When the normal windows were recorded that came by the answer of a number."""
        return self.timeline.at(np.flatnonzero(self.numbers == number))

    def among(self, timeline: Timeline) -> Timeline:
        """Those of some windows that came by an answer."""
        return timeline.at(np.flatnonzero(timeline.rows_of(self.timeline)))

    def fault_of(self, number: int) -> IndexArray:
        """The rows of the fault that is known by the answer of a number."""
        return np.flatnonzero(self.fault_numbers == number)

    def _rows(self, keeps: NDArray[np.bool_]) -> Answered:
        rows = np.flatnonzero(keeps)
        return replace(
            self,
            numbers=self.numbers[rows],
            timeline=self.timeline.at(rows),
            picked=self.picked[rows],
            sessions=self.sessions[rows],
        )

    def picked_among(self, timeline: Timeline) -> NDArray[np.bool_]:
        """Tell which of some windows were picked by their scores, (windows,)."""
        return timeline.rows_of(self.timeline.at(np.flatnonzero(self.picked)))
