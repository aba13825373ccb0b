"""How far an enrolment is, and what it learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.coreset import Reduction
from asd_edge.calibration.bank.learning_curve import LearningCurve
from asd_edge.runtime.enrolment.comparison import Strangeness
from asd_edge.runtime.enrolment.looking_over import LookedOver
from asd_edge.runtime.sources.source import Event


@dataclass(frozen=True)
class Progress:
    """How far an enrolment is."""

    heard_s: float
    """how many seconds of sound were heard so far"""
    total_s: float
    """how many seconds will be heard; infinite where there is no end"""
    windows: int
    """how many windows were enrolled in this run"""
    refused: int
    """how many windows were refused in this run"""
    level_dbfs: float
    """how loud the latest sound is, in decibels relative to full scale"""
    latest: Event | None = None
    """the event that came last, where this is told because of one"""
    found: LookedOver | None = None
    """strange windows or copies, and what was done with them, where this is told because of them"""


@dataclass(frozen=True)
class EnrollReport:
    """What an enrolment learned."""

    bank: Bank
    """the bank as it was written"""
    path: Path
    """the path of the bank"""
    added: int
    """how many windows were enrolled in this run, without those that were dropped"""
    already_there: int
    """how many windows of files were in the bank already"""
    repeated: int
    """how many of the added windows are of recordings shorter than the window"""
    refused: dict[str, int]
    """how many windows were not enrolled in this run, by reason; those that were dropped among them"""
    kept_files: tuple[Path, ...]
    """the FLAC files in which the sound was kept"""
    curve: LearningCurve | None
    """whether more sound would help; none while there are too few windows, where an earlier enrolment left windows out,
    and where the scorer learns nothing from them"""
    bandwidth: str
    """in words, that the sound reaches less far up than the bank's or than its device could hear, or further; else
    empty"""
    strangeness: Strangeness | None
    """how the added windows compare with the bank before; none for a new bank, and where that had no threshold"""
    found: tuple[LookedOver, ...]
    """the windows among those of this run that do not sound like the rest, and those that are the same sound as an
    earlier one, with what was done with them"""
    reduction: Reduction | None
    """what keeping fewer references cost; none where all are kept"""
    interrupted: bool
    """whether the enrolment was stopped early, by `stop` or Ctrl-C"""

    def found_windows(self, kind: Literal["strange", "copies"]) -> int:
        """How many windows were strange, or copies; dropped or not."""
        return sum(found.windows for found in self.found if found.kind == kind)

    @property
    def minutes_more(self) -> float | None:
        """How many minutes more will do, 0 where it is long enough; none where that is not known."""
        if self.curve is None:
            return None
        return self.curve.more * self.bank.independent_windows * self.bank.info.window_s / 60.0
