"""Saying in plain words which threshold was chosen, what it promises and what that rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.false_alarms import CONFIDENCE, FalseAlarms
from asd_edge.calibration.bank.threshold import Threshold
from asd_edge.calibration.wording import counted
from asd_edge.runtime.pipeline.machine import Machine

_RARE = 0.01
"""Fewer false alarms a day than this, one in three months, are not told apart."""
_ALIKE = 0.05
"""A correlation of scores below this changes nothing that is worth a word."""


@dataclass(frozen=True)
class ThresholdExplained:
    """A threshold as `listen` uses it, explained."""

    words: tuple[str, ...]
    """the explanation in sentences"""
    values: dict[str, Any]
    """the same for programs, as JSON has it"""


def explain_threshold(machine: Machine) -> ThresholdExplained:
    """Say when the alarm goes on, how often it is expected to go on falsely, and what that rests on.

    Args:
        machine: The machine, with its bank, its settings and its threshold.
    """
    bank, settings, threshold = machine.bank, machine.settings, machine.threshold
    rule, found = settings.rule, threshold.false_alarms
    words = [
        f"Alarm: on after {rule.k} of the last {counted(rule.n, 'window')} score above {threshold.value:.4g}, "
        f"off after {counted(rule.k, 'normal one')} in a row.",
        f"False alarms: {expected(found)} a day ({promise_rests_on(threshold, bank, settings.hop_s)}), "
        f"while the machine sounds as it was enrolled.",
    ]
    if threshold.extrapolated:
        words.append(beyond_support(bank, settings.false_alarms_per_day, rule, settings.hop_s))
    values = {
        "threshold": threshold.value,
        "percentile": round(threshold.percentile, 6),
        "extrapolated": threshold.extrapolated,
        **false_alarm_values(threshold),
        "alarm": str(rule),
        "hop_s": settings.hop_s,
        "reason": " ".join(words),
    }
    return ThresholdExplained(tuple(words), values)


FALSE_ALARM_KEYS = (
    "false_alarms_per_day",
    "false_alarms_per_day_at_least",
    "false_alarms_per_day_at_most",
    "effective_windows",
)
"""The names of the values in `false_alarm_values`."""


def false_alarm_values(threshold: Threshold) -> dict[str, float]:
    """The false alarms a day of a threshold, their 90 % interval and the windows it rests on, for programs."""
    found = threshold.false_alarms
    values = (found.mean, found.at_least, found.at_most, threshold.windows)
    return {name: round(value, 6) for name, value in zip(FALSE_ALARM_KEYS, values, strict=True)}


def expected(found: FalseAlarms) -> str:
    """The false alarms a day with their interval, such as ``about 1, between 0.2 and 2.4,``."""
    least = f"{found.at_least:.2g}" if found.at_least >= _RARE else "0"
    return f"about {found.mean:.2g}, between {least} and {found.at_most:.2g},"


def promise_rests_on(threshold: Threshold, bank: Bank, hop_s: float) -> str:
    """What the expected false alarms rest on: the windows, and how far they depend on each other.

    Args:
        threshold: The threshold.
        bank: The bank with the enrolled windows.
        hop_s: The time from one window to the next in seconds.
    """
    windows = len(bank.ranked.descending)
    text = f"{100 * CONFIDENCE:.0f} % interval, {counted(windows, 'window')}"
    if bank.dependence.correlation_at(hop_s, bank.info.window_s) > _ALIKE:
        text += f" that rise and fall together and count as {threshold.windows:.0f}"
    return text


def beyond_support(bank: Bank, wish: float, rule: AlarmRule, hop_s: float) -> str:
    """Say that a threshold lies beyond what was enrolled, and what to do about it.

    Args:
        bank: The bank with the enrolled windows.
        wish: The false alarms a day that are wished for.
        rule: The rule of the alarm.
        hop_s: The time from one window to the next in seconds.
    """
    ranked = bank.ranked
    share = len(ranked.descending) / ranked.independent
    minutes = (ranked.windows_for(wish, rule, hop_s) - ranked.independent) * share * bank.info.hop_s / 60.0
    return (
        f"No enrolled window scored so high, and what lies beyond is guessed. Enroll "
        f"{counted(max(1, math.ceil(minutes)), 'minute')} more with --append, or allow more false alarms."
    )


def with_more_sound(bank: Bank, wish: float, rule: AlarmRule, hop_s: float, minutes: float) -> FalseAlarms:
    """The false alarms a day of the threshold that the wish would get after so many minutes more.

    Args:
        bank: The bank with the enrolled windows.
        wish: The false alarms a day that are wished for.
        rule: The rule of the alarm.
        hop_s: The time from one window to the next in seconds.
        minutes: The minutes of sound that would be added.
    """
    ranked = bank.ranked
    share = ranked.independent / len(ranked.descending)
    return ranked.with_windows(minutes * 60.0 / bank.info.hop_s * share, wish, rule, hop_s)
