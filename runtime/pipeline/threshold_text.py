"""Saying in plain words which threshold was chosen, and what it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from asd_edge.calibration.alarm import DAY_S, AlarmRule
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.threshold import Threshold
from asd_edge.calibration.wording import counted
from asd_edge.runtime.pipeline.machine import Machine


@dataclass(frozen=True)
class ThresholdExplained:
    """A threshold as `listen` uses it, explained."""

    words: tuple[str, ...]
    """the explanation in sentences"""
    values: dict[str, Any]
    """the same for programs, as JSON has it"""


def explain_threshold(machine: Machine) -> ThresholdExplained:
    """Say when the alarm goes on, how often it is expected to go on falsely, and whether the enrolment supports that.

    Args:
        machine: The machine, with its bank, its settings and its threshold.
    """
    bank, settings, threshold = machine.bank, machine.settings, machine.threshold
    rule = settings.rule
    words = [
        f"Alarm: on after {rule.k} of the last {counted(rule.n, 'window')} score above {threshold.value:.4g}, "
        f"off after {counted(rule.k, 'normal one')} in a row.",
        f"{threshold.percentile:.4g} % of normal scores lie below that threshold, by a fit to "
        f"{len(bank.normal_scores)} enrolled windows. False alarms: about {threshold.false_alarms_per_day:.2g} a day "
        f"at a hop of {settings.hop_s:g} s, if windows were independent and the machine stays as it was enrolled.",
    ]
    if threshold.extrapolated:
        words.append(beyond_support(threshold, bank))
    at_most = most_false_alarms_per_day(threshold, rule, settings.hop_s, bank.info.window_s)
    if at_most > threshold.false_alarms_per_day * 1.05:
        words.append(
            f"At this hop windows share sound, so their scores rise together: up to {at_most:.2g} false alarms a day "
            f"are possible."
        )
    values = {
        "threshold": threshold.value,
        "percentile": round(threshold.percentile, 6),
        "supported_percentile": round(threshold.supported_percentile, 6),
        "extrapolated": threshold.extrapolated,
        "false_alarms_per_day": round(threshold.false_alarms_per_day, 6),
        "false_alarms_per_day_at_most": round(at_most, 6),
        "alarm": str(rule),
        "hop_s": settings.hop_s,
        "reason": " ".join(words),
    }
    return ThresholdExplained(tuple(words), values)


def beyond_support(threshold: Threshold, bank: Bank) -> str:
    """Say that the percentile of a threshold lies beyond what the enrolled windows support, and what to do about it.

    Args:
        threshold: The threshold, which is extrapolated.
        bank: The bank with the enrolled windows.
    """
    needed = math.ceil(100.0 / (100.0 - threshold.percentile) - 1e-9)
    minutes = (needed - bank.independent_windows) * bank.info.window_s / 60.0
    return (
        f"This lies beyond what was enrolled: {bank.independent_windows} windows support percentiles up to "
        f"{threshold.supported_percentile:.4g}; past that the threshold is guessed from the shape of the distribution. "
        f"Enroll {counted(max(1, round(minutes)), 'minute')} more with --append, or allow more false alarms."
    )


def most_false_alarms_per_day(threshold: Threshold, rule: AlarmRule, hop_s: float, window_s: float) -> float:
    """How many false alarms a day there are at most, as windows that share sound exceed the threshold together.

    Then one exceedance is seen by ``window / hop`` windows in a row; if those are enough for the alarm, every
    independent exceedance raises it.

    Args:
        threshold: The threshold, with the false alarms of independent windows.
        rule: The rule of the alarm.
        hop_s: The time from one window to the next in seconds.
        window_s: The length of a window in seconds.
    """
    shared = window_s / hop_s
    if shared < rule.k:
        return threshold.false_alarms_per_day
    together = (1.0 - threshold.percentile / 100.0) * DAY_S / window_s
    return max(threshold.false_alarms_per_day, together)
