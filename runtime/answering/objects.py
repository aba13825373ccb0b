"""Alarms, shadow days and answers for programs: the values of the objects that `feedback` and `listen` write."""

from __future__ import annotations

from typing import Any

from asd_edge.runtime.answering.feedback import Done, Feedback
from asd_edge.runtime.store.records import KeptAlarm, ShadowDays, iso


def alarm_values(alarm: KeptAlarm, machine: str) -> dict[str, Any]:
    """The values of an alarm that was kept."""
    return {
        "machine": machine,
        "number": alarm.number,
        "shadow": alarm.shadow,
        "source": alarm.source,
        "start_s": alarm.start_s,
        "live": alarm.live,
        "began": iso(alarm.began),
        "ended": None if alarm.ended is None else iso(alarm.ended),
        "duration_s": alarm.duration_s,
        "windows": alarm.windows,
        "highest": alarm.highest,
        "threshold": alarm.threshold,
        "answer": alarm.answer or None,
        "note": alarm.note,
    }


def days_values(days: ShadowDays, machine: str) -> dict[str, Any]:
    """The values of shadow days."""
    return {
        "machine": machine,
        "number": days.number,
        "learn_for_s": days.wanted_s,
        "learned_s": days.heard_s,
        "began": iso(days.began),
        "latest": iso(days.latest),
        "windows": days.windows,
        "alarms": [alarm.number for alarm in days.alarms],
        "alarms_per_day": days.alarms_per_day,
        "complete": days.complete,
        "answer": days.answer or None,
    }


def done_values(done: Done, found: Feedback, words: str) -> dict[str, Any]:
    """The values of an answer."""
    answer = done.answer
    return {
        "machine": found.machine,
        "path": found.path,
        "about": "shadow_days" if answer.kind == "days" else "alarm",
        "number": answer.alarm,
        "answer": "fault" if answer.kind == "fault" else "normal",
        "undone": bool(answer.undone),
        "windows": done.windows,
        "threshold_before": done.threshold_before,
        "threshold": done.threshold,
        "note": answer.note,
        "reason": words,
    }
