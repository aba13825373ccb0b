"""Saying in plain words what alarms there were, what shadow days heard, and what an answer did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asd_edge.calibration.bank.answers import Answer
from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.answering.feedback import Done, Feedback
from asd_edge.runtime.answering.known_faults import KnownFault
from asd_edge.runtime.store.records import KeptAlarm, ShadowDays, time_in_words

_WORDS = {"normal": "was normal", "fault": "was a fault", "": ""}
_MOST_SHOWN = 40
"""Of more alarms the latest are shown; the others are in the JSON."""


def explain_alarms(found: Feedback) -> str:
    """The alarms of a machine as a table, its shadow days, and what can be done.

    Args:
        found: What `feedback` gave.
    """
    if not found.alarms and found.shadow_days is None:
        return f"{visible(found.machine)}: no alarm was kept so far."
    parts = []
    real = [alarm for alarm in found.alarms if not alarm.shadow]
    if real:
        left_out = f", the latest {_MOST_SHOWN}" if len(real) > _MOST_SHOWN else ""
        parts.append(
            f"{visible(found.machine)}: {counted(len(real), 'alarm')}{left_out}\n{_table(real[-_MOST_SHOWN:])}"
        )
    if found.shadow_days is not None:
        parts.append(explain_shadow_days(found))
    if any(not alarm.answer for alarm in found.alarms):
        bank = visible(found.path)
        parts.append(f"To answer: asd-edge feedback --bank {bank} NUMBER --normal (or --fault, and --note TEXT)")
    return "\n\n".join(parts)


def explain_shadow_days(found: Feedback) -> str:
    """What shadow days would have cried about, how often a day, and how they are confirmed.

    Args:
        found: What `feedback` gave, with shadow days.
    """
    days = found.shadow_days
    if days is None:
        return ""
    heard = f"{time_in_words(days.heard_s)} of {time_in_words(days.wanted_s)} heard, {counted(days.windows, 'window')}"
    lines = [f"{visible(found.machine)}, shadow days from {_time(days.began)}: {heard}"]
    if days.alarms:
        times = counted(len(days.alarms), "time")
        lines.append(f"The alarm would have gone on {times}, {days.alarms_per_day:.2g} a day:")
        lines.append(_table(days.alarms[-_MOST_SHOWN:]))
    elif days.windows:
        lines.append("The alarm would not have gone on.")
    lines.append(_next_of(days, visible(found.path)))
    return "\n".join(lines)


def _next_of(days: ShadowDays, bank: str) -> str:
    if days.answer:
        return "They were confirmed: the bank has learned from them."
    if not days.windows:
        return "Nothing was heard so far."
    go_on = "" if days.complete else "To hear more, start the same listening again.\n"
    return f"{go_on}If the machine was well: asd-edge feedback --bank {bank} --shadow-days --normal"


def explain_done(done: Done, machine: str) -> str:
    """What an answer did.

    Args:
        done: What it did.
        machine: The name of the machine.
    """
    answer, windows = done.answer, counted(done.windows, "window")
    what = "the shadow days" if answer.kind == "days" else f"alarm {answer.alarm}"
    follows = f"the alarm's threshold is {done.threshold:.4g} instead of {done.threshold_before:.4g}"
    if answer.undone and answer.kind == "fault":
        return f"{visible(machine)}: {what} is no longer kept as a fault."
    if answer.undone:
        return f"{visible(machine)}: the {windows} of {what} left the bank again; {follows}."
    if answer.kind == "fault":
        return f"{visible(machine)}: {what} is kept as a fault with {windows}."
    return f"{visible(machine)}: {windows} of {what} joined the bank; {follows}."


def explain_answers(answers: Sequence[Answer]) -> list[str]:
    """What people said about alarms and shadow days, a line each."""
    lines = []
    for answer in answers:
        what = "shadow days" if answer.kind == "days" else f"alarm {answer.alarm}"
        note = f" ({answer.note})" if answer.note else ""
        undone = f"; taken back {answer.undone}" if answer.undone else ""
        word = "a fault" if answer.kind == "fault" else "normal"
        windows = counted(answer.windows, "window")
        lines.append(f"{answer.time}: {what} from {answer.began}: {word}{note}, {windows}{undone}")
    return lines


def explain_faults(faults: Sequence[KnownFault]) -> list[str]:
    """Whether today's bank would find the known faults, a line each."""
    lines = []
    for fault in faults:
        note = f" ({fault.answer.note})" if fault.answer.note else ""
        share = f"{fault.highest / fault.threshold:.1f} times the threshold" if fault.threshold > 0.0 else "scored"
        verdict = "would be found" if fault.found else "would NOT be found"
        lines.append(f"alarm {fault.answer.alarm} of {fault.answer.began}{note}: {verdict}, at {share}")
    return lines


def _table(alarms: Sequence[KeptAlarm]) -> str:
    rows = [("number", "when", "how long", "how strange", "answer")]
    for alarm in alarms:
        length = "still on" if alarm.ended is None else time_in_words(alarm.duration_s)
        answer = _WORDS[alarm.answer] + (f": {visible(alarm.note)}" if alarm.note else "")
        rows.append((f"{alarm.number}", _when(alarm), length, f"{alarm.how_strange:.1f} x threshold", answer))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  " + "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )


def _when(alarm: KeptAlarm) -> str:
    """The time of day of live sound; the place in its file of recorded sound."""
    if alarm.live:
        return _time(alarm.began)
    return f"{alarm.start_s:.0f} s into {visible(alarm.source)}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
