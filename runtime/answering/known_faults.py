"""Whether a bank would find the faults again that people have told it of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asd_edge.calibration.alarm import Alarm
from asd_edge.calibration.bank.answers import Answer
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.runtime.pipeline.listen_settings import ListenSettings


@dataclass(frozen=True)
class KnownFault:
    """A fault that a person has confirmed, as today's bank hears it."""

    answer: Answer
    """what was said"""
    windows: int
    """how many of its windows are kept"""
    highest: float
    """the highest score by today's bank"""
    threshold: float
    """today's threshold of the alarm"""
    found: bool
    """whether today's alarm would go on"""

    def values(self) -> dict[str, Any]:
        """The fault for programs, as JSON has it."""
        return {
            "alarm": self.answer.alarm,
            "began": self.answer.began,
            "note": self.answer.note,
            "windows": self.windows,
            "highest": self.highest,
            "threshold": self.threshold,
            "found": self.found,
        }


def known_faults(bank: Bank, settings: ListenSettings | None = None) -> tuple[KnownFault, ...]:
    """Score the windows of the known faults by a bank as it is now, and let the alarm listen to them.

    Args:
        bank: The bank.
        settings: How the machine is listened to; as `listen` does by default when left out.

    Returns:
        The faults, the earliest first; none while the bank has no threshold.
    """
    answered = bank.answered
    if answered is None or not bank.ready:
        return ()
    settings = settings or ListenSettings(hop_s=bank.info.hop_s)
    threshold, scorer = settings.threshold(bank).value, bank.scorer()
    found = []
    for number, answer in enumerate(bank.info.answers):
        rows = answered.fault_of(number)
        if not answer.holds or not len(rows):
            continue
        errors = answered.fault_errors
        scores = [
            scorer.score(ModelOutput(answered.faults[row], None if errors is None else float(errors[row])))
            for row in rows.tolist()
        ]
        alarm = Alarm(settings.rule)
        went_on = [alarm.update(score > threshold) and alarm.on for score in scores]
        found.append(KnownFault(answer, len(rows), max(scores), threshold, any(went_on)))
    return tuple(found)
