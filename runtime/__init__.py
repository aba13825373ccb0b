"""The device: sound to window to embedding to score to alarm.

Everything a program needs is here; names are imported when they are first used, so that a command which only prints
its help loads nothing else::

    from asd_edge.runtime import FileSource, Microphone, Model, enroll, listen, load_bank

Import it before NumPy, see `asd_edge`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asd_edge.calibration.alarm import AlarmRule
    from asd_edge.calibration.bank.bank import Bank, load_bank
    from asd_edge.calibration.contract.model_output import ModelOutput
    from asd_edge.calibration.contract.references import Recording, References, Timeline
    from asd_edge.calibration.errors import DeviceError, InputError
    from asd_edge.calibration.scorers.scorer import Scorer, ScorerSpec
    from asd_edge.runtime.answering.feedback import Feedback, feedback
    from asd_edge.runtime.answering.known_faults import KnownFault, known_faults
    from asd_edge.runtime.answering.settings import FeedbackSettings
    from asd_edge.runtime.enrolment.comparison import Strangeness
    from asd_edge.runtime.enrolment.enrolling import enroll
    from asd_edge.runtime.enrolment.kept_beside import undo
    from asd_edge.runtime.enrolment.looking_over import LookedOver, Stretch
    from asd_edge.runtime.enrolment.report import EnrollReport, Progress
    from asd_edge.runtime.enrolment.settings import EnrollSettings
    from asd_edge.runtime.enrolment.taking_aside import take_aside
    from asd_edge.runtime.enrolment.taking_in import HeldAsideError
    from asd_edge.runtime.inference.model import Model
    from asd_edge.runtime.pipeline.listen_settings import ListenSettings, ScoreSettings
    from asd_edge.runtime.pipeline.listening import listen, score_files
    from asd_edge.runtime.pipeline.machine import Machine, Score
    from asd_edge.runtime.reports.demo import run_demo
    from asd_edge.runtime.reports.doctor import examine
    from asd_edge.runtime.reports.settings import DemoSettings
    from asd_edge.runtime.request import Request
    from asd_edge.runtime.sinks.delivery import deliver
    from asd_edge.runtime.sinks.json_lines import JsonLines
    from asd_edge.runtime.sinks.sink import Sink, Summary
    from asd_edge.runtime.sinks.terminal import Terminal
    from asd_edge.runtime.sources.files import FileSource
    from asd_edge.runtime.sources.microphone import Microphone, list_microphones
    from asd_edge.runtime.sources.simulated import SimulatedMachine
    from asd_edge.runtime.sources.source import Block, Event, Source, SourceRequest, new_recording

_HOMES = {
    "asd_edge.calibration.alarm": ("AlarmRule",),
    "asd_edge.calibration.bank.bank": ("Bank", "load_bank"),
    "asd_edge.calibration.contract.model_output": ("ModelOutput",),
    "asd_edge.calibration.contract.references": ("Recording", "References", "Timeline"),
    "asd_edge.calibration.errors": ("DeviceError", "InputError"),
    "asd_edge.calibration.scorers.scorer": ("Scorer", "ScorerSpec"),
    "asd_edge.runtime.reports.demo": ("run_demo",),
    "asd_edge.runtime.reports.doctor": ("examine",),
    "asd_edge.runtime.enrolment.settings": ("EnrollSettings",),
    "asd_edge.runtime.enrolment.report": ("EnrollReport", "Progress"),
    "asd_edge.runtime.enrolment.enrolling": ("enroll",),
    "asd_edge.runtime.enrolment.kept_beside": ("undo",),
    "asd_edge.runtime.enrolment.comparison": ("Strangeness",),
    "asd_edge.runtime.enrolment.looking_over": ("LookedOver", "Stretch"),
    "asd_edge.runtime.enrolment.taking_aside": ("take_aside",),
    "asd_edge.runtime.enrolment.taking_in": ("HeldAsideError",),
    "asd_edge.runtime.answering.feedback": ("Feedback", "feedback"),
    "asd_edge.runtime.answering.known_faults": ("KnownFault", "known_faults"),
    "asd_edge.runtime.answering.settings": ("FeedbackSettings",),
    "asd_edge.runtime.request": ("Request",),
    "asd_edge.runtime.sinks.delivery": ("deliver",),
    "asd_edge.runtime.sinks.json_lines": ("JsonLines",),
    "asd_edge.runtime.sinks.sink": ("Sink", "Summary"),
    "asd_edge.runtime.sinks.terminal": ("Terminal",),
    "asd_edge.runtime.sources.files": ("FileSource",),
    "asd_edge.runtime.pipeline.listen_settings": ("ListenSettings", "ScoreSettings"),
    "asd_edge.runtime.pipeline.listening": ("listen", "score_files"),
    "asd_edge.runtime.pipeline.machine": ("Machine", "Score"),
    "asd_edge.runtime.reports.settings": ("DemoSettings",),
    "asd_edge.runtime.sources.microphone": ("Microphone", "list_microphones"),
    "asd_edge.runtime.inference.model": ("Model",),
    "asd_edge.runtime.sources.simulated": ("SimulatedMachine",),
    "asd_edge.runtime.sources.source": ("Block", "Event", "Source", "SourceRequest", "new_recording"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlarmRule",
    "Bank",
    "Block",
    "DemoSettings",
    "DeviceError",
    "EnrollReport",
    "EnrollSettings",
    "Event",
    "Feedback",
    "FeedbackSettings",
    "FileSource",
    "HeldAsideError",
    "InputError",
    "JsonLines",
    "KnownFault",
    "ListenSettings",
    "LookedOver",
    "Machine",
    "Microphone",
    "Model",
    "ModelOutput",
    "Progress",
    "Recording",
    "References",
    "Request",
    "Score",
    "ScoreSettings",
    "Scorer",
    "ScorerSpec",
    "SimulatedMachine",
    "Sink",
    "Source",
    "SourceRequest",
    "Strangeness",
    "Stretch",
    "Summary",
    "Terminal",
    "Timeline",
    "deliver",
    "enroll",
    "examine",
    "feedback",
    "known_faults",
    "list_microphones",
    "listen",
    "load_bank",
    "new_recording",
    "run_demo",
    "score_files",
    "take_aside",
    "undo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
