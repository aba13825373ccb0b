"""What a person says about alarms and shadow days, and what the bank makes of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from asd_edge.calibration.alarm_rate import DAY_S
from asd_edge.calibration.bank.answers import Answer
from asd_edge.calibration.bank.bank import Bank, load_bank
from asd_edge.calibration.bank.bank_lock import locked_bank
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.answering.learning import Change, NormalWindow, answer_now, undone, with_fault, with_normal, write
from asd_edge.runtime.answering.settings import FeedbackSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.machines import machine_name
from asd_edge.runtime.store.database import StoreError, store_path, unusable
from asd_edge.runtime.store.records import HeardWindow, KeptAlarm, ShadowDays, iso
from asd_edge.runtime.store.store import STRETCH, Store, keeps_embedding

MOST_LEARNED = 3000
"""How many windows of shadow days join a bank: stretches of them, evenly over all, so that a score stays quick and
learning takes seconds. A threshold for one false alarm a day rests on their highest tenth, which is well known."""
MOST_PICKED = 1000
"""How many of the others that lay above the threshold join as well, the strangest, so that what is rare is known."""


@dataclass(frozen=True)
class Done:
    """What an answer did."""

    answer: Answer
    """the answer, as the bank keeps it; `Answer.undone` says whether it was taken back"""
    windows: int
    """how many windows joined the bank, left it, or are kept as a fault"""
    threshold_before: float
    """the threshold of the alarm before"""
    threshold: float
    """the same afterwards"""


@dataclass(frozen=True)
class Feedback:
    """The alarms of a machine, its shadow days, and what was done."""

    path: Path
    """the path of the bank"""
    machine: str
    """the name of the machine"""
    alarms: tuple[KeptAlarm, ...]
    """the alarms that were kept, also those of shadow days, the earliest first, with what people said about them"""
    shadow_days: ShadowDays | None
    """the latest shadow days; none where there never were any"""
    done: Done | None = None
    """what the answer did; none where none was given"""


@checked
def feedback(settings: FeedbackSettings) -> Feedback:
    """Tell the alarms of a machine, and take in what a person says about one of them or about shadow days.

    "This was normal": the windows of the alarm join the bank, which learns anew; a machine that is being listened to
    takes the new bank by itself. "This was a fault": the windows are kept in the bank, and `known_faults` tells whether
    it would find them. Both can be taken back.

    Args:
        settings: Which bank it is, and what is said; the alarms are told where nothing is said.

    Raises:
        InputError: There is no such alarm, or it was answered already; its windows are not kept any more, or cannot be
            taken out of the bank; another process writes the bank; or the bank or the store cannot be read or written.
    """
    path, done = settings.bank, None
    if settings.number is not None or settings.shadow_days:
        with locked_bank(path):
            bank = load_bank(path)
            with _store_of(path) as store:
                done = _answer_days(bank, store, settings) if settings.shadow_days else _answer(bank, store, settings)
    bank = load_bank(path)
    alarms: Sequence[KeptAlarm] = ()
    days = None
    if store_path(path).is_file():
        with _store_of(path, to_write=False) as store:
            alarms, days = store.alarms(bank.info.created), store.shadow_days(bank.info.created)
    answered = tuple(_as_answered(alarm, bank.info.answers) for alarm in alarms)
    if days is not None:
        said = _answer_to(bank.info.answers, days.number, days.began, "days")
        of_days = tuple(_as_answered(alarm, bank.info.answers) for alarm in days.alarms)
        days = replace(days, alarms=of_days, answer="" if said is None else "normal")
    return Feedback(path, machine_name(bank, path), answered, days, done)


def _answer(bank: Bank, store: Store, settings: FeedbackSettings) -> Done:
    """Take in what is said about one alarm."""
    alarm = _alarm(bank, store, settings)
    said = _answer_to(bank.info.answers, alarm.number, alarm.began, "normal", "fault")
    if settings.undo:
        done = _undo(bank, said, settings)
        store.answer(alarm.number, "", "")
        return done
    windows = [window for window in store.windows_of(alarm.number) if _fits(window, bank)]
    if not windows:
        raise InputError(
            "The windows of this alarm are not kept any more.",
            got=f"alarm {alarm.number} of {iso(alarm.began)}",
            valid="an alarm whose windows are kept; the oldest are given up when the store grows too large",
            next_step="enroll such sound with `asd-edge enroll --append`",
        )
    kind = "normal" if settings.normal else "fault"
    before = bank
    if said is not None and bank.info.answers[said].kind != kind:
        bank = undone(bank, said, settings.bank).bank  # who says the other thing has changed their mind
    ended = alarm.began + alarm.duration_s
    answer = answer_now(kind, alarm.number, iso(alarm.began), iso(ended), settings.note)
    if kind == "normal":
        change = with_normal(bank, [NormalWindow(window) for window in windows], answer)
    else:
        change = with_fault(bank, windows, answer)
        change = replace(change, learns=change.learns or bank is not before, normal=change.normal or bank is not before)
    if said is not None and bank is before and (kind == "fault" or not change.windows):
        store.answer(alarm.number, kind, bank.info.answers[said].note)
        raise _said_already(f"alarm {alarm.number}", bank.info.answers[said])
    written = write(settings.bank, change)
    store.answer(alarm.number, kind, settings.note)
    return _done(before, written, len(written.info.answers) - 1, change)


def _answer_days(bank: Bank, store: Store, settings: FeedbackSettings) -> Done:
    """Take in what is said about shadow days."""
    days = store.shadow_days(bank.info.created)
    if days is None or not days.windows:
        raise InputError(
            "There were no shadow days of this bank.",
            got=settings.bank,
            valid="a bank that was listened to with --learn-for",
            next_step=f"asd-edge listen --bank {settings.bank} --learn-for 1d",
        )
    said = _answer_to(bank.info.answers, days.number, days.began, "days")
    if settings.undo:
        done = _undo(bank, said, settings)
        store.answer_days(days.number, "", "")
        return done
    windows = _to_learn(store, days, bank)
    answer = answer_now("days", days.number, iso(days.began), iso(days.latest), settings.note)
    change = with_normal(bank, windows, answer)
    if said is not None and not change.windows:
        store.answer_days(days.number, "normal", bank.info.answers[said].note)
        raise _said_already("the shadow days", bank.info.answers[said])
    written = write(settings.bank, change)
    store.answer_days(days.number, "normal", settings.note)
    return _done(bank, written, len(written.info.answers) - 1, change)


def _undo(bank: Bank, said: int | None, settings: FeedbackSettings) -> Done:
    if said is None:
        raise InputError(
            "There is no answer to take back.",
            got="the shadow days" if settings.shadow_days else f"alarm {settings.number}",
            valid="what was answered and not taken back since",
            next_step=f"see what was answered: asd-edge feedback --bank {settings.bank}",
        )
    change = undone(bank, said, settings.bank)
    return _done(bank, write(settings.bank, change), said, change)


def _to_learn(store: Store, days: ShadowDays, bank: Bank) -> list[NormalWindow]:
    """The windows of shadow days that join the bank."""
    hop_s = days.heard_s / days.windows
    windows = {index: window for index, window in store.windows_of_days(days.number) if _fits(window, bank)}
    evenly = [index for index in windows if keeps_embedding(index, days.wanted_s, hop_s)]
    stretches = sorted({index // STRETCH for index in evenly})
    learned = set(stretches[:: max(1, -(-len(evenly) // MOST_LEARNED))])
    fair = {index for index in evenly if index // STRETCH in learned}
    above = [index for index, window in windows.items() if index not in fair and window.score > window.threshold]
    strangest = sorted(above, key=lambda index: windows[index].score / windows[index].threshold)[-MOST_PICKED:]
    return [
        NormalWindow(windows[index], index not in fair, 1 + int(index * hop_s / DAY_S))
        for index in sorted([*fair, *strangest])
    ]


def _fits(window: HeardWindow, bank: Bank) -> bool:
    """Whether a window was made by a model whose embeddings are as long as those of the bank."""
    output, references = window.output, bank.references
    return (
        output is not None
        and len(output.embedding) == references.embeddings.shape[1]
        and (output.reconstruction_error is None) == (references.reconstruction_errors is None)
    )


def _alarm(bank: Bank, store: Store, settings: FeedbackSettings) -> KeptAlarm:
    found = None if settings.number is None else store.alarm(bank.info.created, settings.number)
    if found is None:
        known = [alarm.number for alarm in store.alarms(bank.info.created)]
        raise InputError(
            "There is no alarm of this number.",
            got=settings.number,
            valid=f"a number from {known[0]} to {known[-1]}" if known else "none was heard so far",
            next_step=f"see them: asd-edge feedback --bank {settings.bank}",
        )
    return found


def _answer_to(answers: Sequence[Answer], number: int, began: float, *kinds: str) -> int | None:
    """The place of the answer about an alarm or shadow days that holds; none where there is none.

    A store that was begun anew counts from 1 again, so that the time counts, too.
    """
    for place in reversed(range(len(answers))):
        answer = answers[place]
        if answer.holds and answer.kind in kinds and (answer.alarm, answer.began) == (number, iso(began)):
            return place
    return None


def _as_answered(alarm: KeptAlarm, answers: Sequence[Answer]) -> KeptAlarm:
    """An alarm with what the bank says of it, which may have been brought back from before an answer."""
    said = _answer_to(answers, alarm.number, alarm.began, "normal", "fault")
    if said is None:
        return replace(alarm, answer="", note="", answered=None)
    return replace(alarm, answer=answers[said].kind, note=answers[said].note)


def _said_already(what: str, answer: Answer) -> InputError:
    return InputError(
        "That was said already.",
        got=f"{what}, answered on {answer.time}",
        valid="another answer, or --undo",
        next_step="see what was answered, without a number",
    )


def _done(before: Bank, written: Bank, number: int, change: Change) -> Done:
    settings = ListenSettings(hop_s=written.info.hop_s)
    answer = written.info.answers[number]
    return Done(answer, change.windows, settings.threshold(before).value, settings.threshold(written).value)


@contextmanager
def _store_of(path: Path, to_write: bool = True) -> Iterator[Store]:
    """The store beside a bank, whose errors say what a person can do.

    Raises:
        InputError: There is none, or it cannot be read or written.
    """
    file = store_path(path)
    if not file.is_file():
        raise StoreError(
            "No alarm of this machine was kept so far.",
            got=f"no file {file}",
            valid="a bank that was listened to",
            next_step=f"asd-edge listen --bank {path}",
        )
    try:
        with Store(file, to_write) as store:
            yield store
    except (sqlite3.Error, OSError) as error:
        raise unusable(file, error) from error
