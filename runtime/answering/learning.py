"""Windows of alarms and shadow days joining a bank, and leaving it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.answers import Answer, Answered
from asd_edge.calibration.bank.bank import Bank, collected, load_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.bank.sessions import NO_SESSION
from asd_edge.calibration.contract.references import IndexArray, LeftOut, Timeline
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.runtime.enrolment.kept_beside import before_path, keep_before
from asd_edge.runtime.enrolment.start import now
from asd_edge.runtime.enrolment.taking_in import learn
from asd_edge.runtime.pipeline.band_watch import BandSum
from asd_edge.runtime.store.records import HeardWindow

MOST_OF_A_FAULT = 60
"""How many windows of a fault a bank keeps: ten minutes at a hop of 10 s, far more than an alarm needs to go on."""

_MOST_DAYS = 100
"""More days than shadow days can last, so that every day of each has a number of its own."""


@dataclass(frozen=True)
class Change:
    """A bank that is about to be written."""

    bank: Bank
    learns: bool
    """whether it has to learn anew"""
    windows: int
    """how many windows the change is about"""
    normal: bool = True
    """whether it changes what is normal, so that the bank from before is kept"""


@dataclass(frozen=True, eq=False)
class NormalWindow:
    """A window that a person says is normal sound."""

    window: HeardWindow
    picked: bool = True
    """whether it was picked by its score, see `Answered.picked`"""
    day: int = NO_SESSION
    """the day of shadow days that it was heard on, counted from 1; `NO_SESSION` where it was heard on none"""


def with_normal(bank: Bank, windows: Sequence[NormalWindow], answer: Answer) -> Change:
    """Add windows to a bank, but for those that it holds already.

    Args:
        bank: The bank.
        windows: The windows, each with its embedding, in the order of time.
        answer: The answer by which they join; the number of its windows is set here.
    """
    references = GrowingReferences(bank)
    added = []
    for each in windows:
        window, output = each.window, each.window.output
        if output is not None and not references.hold(window.recording, window.start_s):
            references.add(window.recording, window.start_s, output)
            added.append(each)
    info, every = references.so_far(bank.info)
    answers = (*info.answers, replace(answer, windows=len(added)))
    info = replace(info, answers=answers, updated=now())
    number = len(answers) - 1
    answered = _answered(bank)
    if answer.kind == "days":  # what came by an answer to one alarm of the shadow days is a part of the whole now
        added += _by_alarms(bank, windows)
    chosen = np.array([each.picked for each in added], np.bool_)
    joined = _timeline_of([each.window for each in added], info)
    answered = answered.with_normal(number, joined, chosen, _sessions(added, number))
    if answer.kind == "days":
        info = _with_levels(info, bank, added)
    changed = collected(info, every, bank.left_out, bank.probe, answered)
    return Change(changed, True, answers[number].windows)


def with_fault(bank: Bank, windows: Sequence[HeardWindow], answer: Answer) -> Change:
    """Keep the windows of a fault, which leave the bank where they had joined it by an answer.

    Raises:
        BankError: They cannot leave it.
    """
    outputs = [window.output for window in windows if window.output is not None][:MOST_OF_A_FAULT]
    answers = (*bank.info.answers, replace(answer, windows=len(outputs)))
    errors = [output.reconstruction_error for output in outputs]
    answered = _answered(bank).with_fault(
        len(answers) - 1,
        np.stack([output.embedding for output in outputs]),
        None if errors[0] is None else np.array(errors, np.float64),
    )
    learned = answered.among(_timeline_of(windows, bank.info))
    changed = replace(bank, info=replace(bank.info, answers=answers), answered=answered)
    if len(learned.starts_s):
        changed = _taken_out(changed, learned)
    learns = bool(len(learned.starts_s))
    return Change(changed, learns, len(outputs), learns)


def undone(bank: Bank, number: int, path: Path) -> Change:
    """Take an answer back.

    Windows that joined the bank by it are taken out. Where it holds some of them no more, because it keeps fewer
    references, the bank from before the answer takes its place, if that is still there.

    Args:
        bank: The bank.
        number: The number of the answer, counted from 0.
        path: The path of the bank.

    Raises:
        BankError: The windows cannot be taken out.
    """
    answer = bank.info.answers[number]
    answers = list(bank.info.answers)
    answers[number] = replace(answer, undone=now())
    answered = _answered(bank)
    joined = answered.of(number)
    info = replace(bank.info, answers=tuple(answers), updated=now())
    if answer.levels_before_db:
        levels_db, deviation_db = answer.levels_before_db, answer.deviation_before_db
        info = replace(info, band_levels_db=levels_db, level_deviation_db=deviation_db)
    changed = replace(bank, info=info, answered=answered.without(number))
    if answer.kind == "fault" or not len(joined.starts_s):
        return Change(changed, False, answer.windows, False)
    try:
        return Change(_taken_out(changed, joined), True, len(joined.starts_s))
    except BankError:
        before = _before(bank, number, path)
        if before is None:
            raise
        info = replace(before.info, answers=tuple(answers), recordings=bank.info.recordings)
        return Change(replace(before, info=info, answered=answered.without(number)), False, len(joined.starts_s))


def write(path: Path, change: Change) -> Bank:
    """Let a changed bank learn, and write it; where it learns, the bank from before is kept.

    Args:
        path: The path of the bank.
        change: The change.

    Raises:
        InputError: The bank cannot learn or be written.
    """
    bank = change.bank
    if change.learns:
        bank = learn(bank).bank
    if not bank.ready:
        raise bank.why_not_ready
    if change.normal:
        keep_before(path)
    bank.save(path)
    return bank


def answer_now(kind: str, number: int, began: str, ended: str, note: str) -> Answer:
    """An answer that is given at this moment, without the number of its windows."""
    return Answer(kind, now(), 0, number, began, ended, note)


def _sessions(windows: Sequence[NormalWindow], number: int) -> NDArray[np.int32]:
    """The day of each window as a number that no day of other answers has."""
    first = _MOST_DAYS * (number + 1)
    return np.array([each.day if each.day == NO_SESSION else first + each.day for each in windows], np.int32)


def _with_levels(info: BankInfo, bank: Bank, windows: Sequence[NormalWindow]) -> BankInfo:
    """A description with the levels of shadow days beside those of the bank, which its last answer remembers."""
    known = [each.window.levels_db for each in windows if not each.picked and each.window.levels_db is not None]
    if not known or not bank.info.band_levels_db:
        return info
    levels, before = BandSum(), bank.info
    levels.add(before.band_levels_db, len(bank.normal_timeline.starts_s), before.level_deviation_db)
    for each in known:
        levels.add(each)
    *earlier, last = info.answers
    last = replace(last, levels_before_db=before.band_levels_db, deviation_before_db=before.level_deviation_db)
    return replace(
        info,
        answers=(*earlier, last),
        band_levels_db=levels.levels_db,
        level_deviation_db=levels.deviation_db,
    )


def _by_alarms(bank: Bank, windows: Sequence[NormalWindow]) -> list[NormalWindow]:
    """Those of some windows that the bank holds because an alarm was answered to."""
    if bank.answered is None:
        return []
    answers, numbers = bank.info.answers, {each.id: number for number, each in enumerate(bank.info.recordings)}
    held = {
        place
        for place, number in zip(bank.answered.timeline.places, bank.answered.numbers.tolist(), strict=True)
        if answers[number].kind == "normal"
    }
    return [each for each in windows if (numbers.get(each.window.recording.id), each.window.start_s) in held]


def _answered(bank: Bank) -> Answered:
    if bank.answered is not None:
        return bank.answered
    references = bank.references
    rebuilds = references.reconstruction_errors is not None
    return Answered.nothing(bank.info.window_s, references.embeddings.shape[1], rebuilds)


def _timeline_of(windows: Sequence[HeardWindow], info: BankInfo) -> Timeline:
    """When windows were recorded, by the bank's numbers of recordings; those of others are left out."""
    numbers = {recording.id: number for number, recording in enumerate(info.recordings)}
    known = [window for window in windows if window.recording.id in numbers]
    return Timeline(
        np.array([numbers[window.recording.id] for window in known], np.int32),
        np.array([window.start_s for window in known], np.float64),
        info.window_s,
    )


def _taken_out(bank: Bank, timeline: Timeline) -> Bank:
    """A bank without some of its windows, which has not learned yet.

    Raises:
        BankError: It does not hold all of them any more, or nothing would be left.
    """
    goes = bank.references.timeline.rows_of(timeline)
    left_out, held_goes = bank.left_out, 0
    if left_out is not None and left_out.held is not None:
        stays = ~left_out.held.timeline.rows_of(timeline)
        held_goes = int((~stays).sum())
        if held_goes:
            left_out = _with_held(left_out, np.flatnonzero(stays))
    if goes.sum() + held_goes < len(timeline.starts_s):
        raise BankError(
            "The windows cannot be taken out of the bank, which keeps fewer since and holds only some of them.",
            got=f"{int(goes.sum()) + held_goes} of {len(timeline.starts_s)} windows are still there",
            valid="a bank that was not reduced since, or the one before it",
            next_step="bring the bank before back: asd-edge enroll --undo --bank PATH; or enroll a new one",
        )
    if goes.all():
        raise BankError(
            "No window would be left in the bank.",
            got=f"{len(goes)} windows",
            valid="a bank that was enrolled before it was answered to",
            next_step="enroll a new bank",
        )
    references = bank.references.at(np.flatnonzero(~goes))
    answered = None if bank.answered is None else bank.answered.without_windows(timeline)
    return collected(bank.info, references, left_out, bank.probe, answered)


def _with_held(left_out: LeftOut, rows: IndexArray) -> LeftOut | None:
    """What was left out, with some of the windows that are held."""
    if left_out.held is None:
        return left_out
    count = left_out.forgotten_windows
    if not count and not len(rows):
        return None
    every = np.concatenate([np.arange(count), count + rows])
    held = left_out.held.at(rows) if len(rows) else None
    return LeftOut(left_out.timeline.at(every), left_out.scores[every], held, left_out.forgotten)


def _before(bank: Bank, number: int, path: Path) -> Bank | None:
    """The bank from before an answer, where nothing but it would be lost; none where that is not there."""
    file = before_path(path)
    if not file.is_file():
        return None
    try:
        before = load_bank(file)
    except InputError:
        return None
    later = bank.info.answers[len(before.info.answers) :]
    is_alone = all(answer.kind == "fault" or not answer.holds for answer in later[1:])
    same = before.info.created == bank.info.created and before.ready
    return before if same and len(before.info.answers) == number and is_alone else None
