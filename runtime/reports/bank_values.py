"""What a bank and an enrolment are, for programs: the values of the objects that `info` and `enroll` write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asd_edge.calibration.audio.bandwidth import reach_hz
from asd_edge.calibration.bank.answers import Answer
from asd_edge.calibration.bank.bank import Bank
from asd_edge.runtime.answering.known_faults import known_faults
from asd_edge.runtime.enrolment.report import EnrollReport
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.threshold_text import FALSE_ALARM_KEYS, false_alarm_values


def bank_values(bank: Bank, path: Path) -> dict[str, Any]:
    """The values of a bank.

    Args:
        bank: The bank.
        path: The path of its file.
    """
    info = bank.info
    alarm = ListenSettings(hop_s=info.hop_s).threshold(bank) if bank.ready else None
    return {
        "path": path,
        "format": info.format,
        "name": info.name,
        "device": info.device or None,
        "channel": info.channel,
        "windows": len(bank.references) if bank.left_out is None else len(bank.normal_scores),
        "references": len(bank.references),
        "independent_windows": bank.independent_windows,
        "window_s": info.window_s,
        "hop_s": info.hop_s,
        "refused": info.refused,
        "created": info.created,
        "updated": info.updated,
        "model": info.model,
        "model_sha256": info.model_sha256,
        "dimensions": bank.references.embeddings.shape[1],
        "scorer": info.scorer,
        "threshold": info.threshold,
        "alarm_threshold": alarm.value if alarm else None,
        **(false_alarm_values(alarm) if alarm else dict.fromkeys(FALSE_ALARM_KEYS)),
        "reach_hz": reach_hz(info.band_levels_db) if info.band_levels_db else None,
        "answers": [_answer_values(answer) for answer in info.answers],
        "known_faults": [fault.values() for fault in known_faults(bank)],
    }


def _answer_values(answer: Answer) -> dict[str, Any]:
    return {
        "kind": answer.kind,
        "time": answer.time,
        "windows": answer.windows,
        "number": answer.alarm,
        "began": answer.began,
        "ended": answer.ended,
        "note": answer.note,
        "undone": answer.undone or None,
    }


def enrolment_values(report: EnrollReport) -> dict[str, Any]:
    """The values of an enrolment: those of its bank, and what was added."""
    return {
        **bank_values(report.bank, report.path),
        "added": report.added,
        "already_there": report.already_there,
        "repeated": report.repeated,
        "refused_now": report.refused,
        "kept_files": report.kept_files,
        "long_enough": report.curve.long_enough if report.curve else None,
        "minutes_more": report.minutes_more,
        "bandwidth": report.bandwidth or None,
        "strange": report.found_windows("strange"),
        "copies": report.found_windows("copies"),
        "above": report.strangeness.above if report.strangeness else None,
        "interrupted": report.interrupted,
    }
