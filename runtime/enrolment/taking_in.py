"""Adding windows to a bank that is there: they are compared with it first, and the bank before stays beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asd_edge.calibration.bank.bank import Bank, collected, load_bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.bank.coreset import Reduction, reduce_bank
from asd_edge.calibration.bank.learning_curve import LearningCurve, learning_curve
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import BankError
from asd_edge.calibration.scorers.registry import require_scorer
from asd_edge.runtime.enrolment.comparison import Strangeness, strangeness
from asd_edge.runtime.enrolment.kept_beside import aside_path, heard_path, keep_before
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.enrolment.start import now
from asd_edge.runtime.pipeline.band_watch import BandSum

Accept = Callable[[Strangeness], bool]
"""Says whether windows that sound strange to the bank shall be learned all the same."""


@dataclass(frozen=True)
class Learned:
    """What a bank learned from."""

    whole: Bank
    """the bank with all references"""
    bank: Bank
    """the bank as it is written, with as many references as are kept"""
    reduction: Reduction | None
    """what keeping fewer references cost; none where all are kept"""
    strangeness: Strangeness | None = None
    """how the windows that were added compare with the bank before; none where that had no threshold"""

    def curve(self) -> LearningCurve | None:
        """Whether more sound would help; none where `EnrollReport.curve` says so."""
        if not self.whole.ready or self.whole.left_out is not None:
            return None
        return learning_curve(self.whole.references) if require_scorer(self.whole.info.scorer).learns else None


class HeldAsideError(BankError):
    """Windows sounded too strange to be learned, and wait beside the bank for an answer.

    Attributes:
        strangeness: What was found.
    """

    def __init__(self, found: Strangeness, bank: Path) -> None:
        self.strangeness = found
        super().__init__(
            found.words(),
            got=f"nothing was learned; the windows are kept in {aside_path(bank)}",
            valid="sound of a machine that is well",
            next_step=f"if it is well: asd-edge enroll --bank {bank} --take-aside --yes; if not, delete that file",
        )


def accepting(settings: EnrollSettings, accept: Accept | None) -> Accept:
    """Say yes where the settings do; else let `accept` say it, and no where there is none."""
    return lambda found: settings.yes or (accept is not None and accept(found))


def learn(bank: Bank) -> Learned:
    """Learn from all windows of a bank, and keep as many references as it may have."""
    whole = make_bank(bank.info, bank.references, bank.left_out, bank.probe, bank.answered)
    kept, reduction = reduce_bank(whole)
    return Learned(whole, kept, reduction)


def take_in(path: Path, bank: Bank, info: BankInfo, new: Bank | None, compared: Bank | None, accept: Accept) -> Learned:
    """Add windows to a bank, learn, and keep the bank before.

    Args:
        path: The path of the bank.
        bank: The bank so far.
        info: What the bank says about itself from now on.
        new: The windows, as an enrolment saves them; none to learn again from what there is.
        compared: Those of the windows that are compared with the bank: all, unless a person answered for some.
        accept: Is asked where the windows sound strange.

    Raises:
        HeldAsideError: They do, and `accept` said no.
        InputError: The bank cannot learn or be written.
    """
    found = None if compared is None else strangeness(bank, compared)
    if new is not None and found is not None and found.suspicious:
        accepted = False
        try:
            accepted = accept(found)
        finally:
            if not accepted:
                hold_aside(path, new)
        if not accepted:
            raise HeldAsideError(found, path)
    references = GrowingReferences(bank)
    refused = Counter(info.refused)
    if new is not None:
        add_windows(references, new)
        refused.update(new.info.refused)
        info = _with_levels(info, bank, new)
    info, every = references.so_far(replace(info, updated=now(), refused=dict(refused)))
    probe = bank.probe if bank.probe is not None or new is None else new.probe
    learned = learn(collected(info, every, references.left_out, probe, bank.answered))
    if new is not None:
        keep_before(path)
    learned.bank.save(path)
    heard_path(path).unlink(missing_ok=True)
    return replace(learned, strangeness=found)


def hold_aside(path: Path, new: Bank) -> Path:
    """Keep windows beside a bank, with those that wait there already.

    Args:
        path: The path of the bank.
        new: The windows, as an enrolment saves them.

    Returns:
        The path of the file in which they wait.
    """
    aside = aside_path(path)
    waiting = load_bank(aside) if aside.is_file() else None
    if waiting is not None and waiting.info.created == new.info.created:  # they are of the same bank
        windows = GrowingReferences(waiting)
        add_windows(windows, new)
        info = _with_levels(new.info, waiting, new)
        new = collected(*windows.so_far(info), probe=new.probe)
    new.save(aside)
    heard_path(path).unlink(missing_ok=True)
    return aside


def add_windows(references: GrowingReferences, new: Bank) -> int:
    """Add the windows of one bank to the references of another, but for those that are there; how many were added."""
    added = 0
    for recording, start_s, output in _windows(new):
        if not references.hold(recording, start_s):
            references.add(recording, start_s, output)
            added += 1
    return added


def _with_levels(info: BankInfo, bank: Bank, new: Bank) -> BankInfo:
    """A description with the levels of all windows of a bank and of new ones; of those that remember any."""
    levels = BandSum()
    for each in (bank, new):
        heard = len(each.references) + (0 if each.left_out is None else len(each.left_out.scores))
        levels.add(each.info.band_levels_db, heard, each.info.level_deviation_db)
    return replace(info, band_levels_db=levels.levels_db, level_deviation_db=levels.deviation_db)


def _windows(bank: Bank) -> Iterator[tuple[Recording, float, ModelOutput]]:
    references, recordings = bank.references, bank.info.recordings
    errors = references.reconstruction_errors
    for index, (number, start_s) in enumerate(references.timeline.places):
        error = None if errors is None else float(errors[index])
        yield recordings[number], start_s, ModelOutput(references.embeddings[index], error)
