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
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
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
    rule, (false_alarms, *about_it) = settings.rule, promise(bank, settings, threshold)
    words = [
        f"Alarm: on after {rule.k} of the last {counted(rule.n, 'window')} score above {threshold.value:.4g}, "
        f"off after {counted(rule.k, 'normal one')} in a row.",
        f"False alarms: {false_alarms}.",
        *(f"{each[0].upper()}{each[1:].rstrip('.')}." for each in about_it),
    ]
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


def promise(bank: Bank, settings: ListenSettings, threshold: Threshold) -> tuple[str, ...]:
    """How many false alarms to expect, what that rests on, and what would make it better known, each a line.

    Args:
        bank: The bank with the enrolled windows.
        settings: How the machine is listened to.
        threshold: The threshold that follows from them.
    """
    rule, hop_s = settings.rule, settings.hop_s
    lines = [expected(threshold.false_alarms), promise_rests_on(threshold, bank, hop_s)]
    if threshold.extrapolated:
        lines.append(beyond_support(bank, settings.false_alarms_per_day, rule, hop_s))
    elif settings.percentile is None:
        lines.append(narrower(bank, settings.false_alarms_per_day, rule, hop_s))
    return tuple(lines)


def thresholds(alarm: Threshold, single: float, rule: AlarmRule) -> tuple[str, ...]:
    """What the two thresholds of a bank are for, each a line.

    Args:
        alarm: The threshold of the alarm.
        single: The threshold for single windows.
        rule: The rule of the alarm.
    """
    return (
        f"{alarm.value:.4g}: `listen` alarms after {rule.k} of the last {rule.n} windows above it",
        f"{single:.4g}: `score` says anomaly; one normal window in ten lies above",
    )


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
    """The false alarms with their interval, such as ``about 1 a day; with 90 % confidence 0.2 to 2.4``."""
    return f"about {found.mean:.2g} a day; with {100 * CONFIDENCE:.0f} % confidence {_interval(found)}"


def _interval(found: FalseAlarms) -> str:
    least = f"{found.at_least:.2g}" if found.at_least >= _RARE else "0"
    return f"{least} to {found.at_most:.2g}"


def promise_rests_on(threshold: Threshold, bank: Bank, hop_s: float) -> str:
    """What the expected false alarms rest on: the windows, and how far they depend on each other.

    Args:
        threshold: The threshold.
        bank: The bank with the enrolled windows.
        hop_s: The time from one window to the next in seconds.
    """
    text = f"rests on {counted(len(bank.ranked.descending), 'window')}"
    if bank.dependence.correlation_at(hop_s, bank.info.window_s) > _ALIKE:
        text += f", which count as {threshold.windows:.0f}: neighbours sound alike"
    return text


def narrower(bank: Bank, wish: float, rule: AlarmRule, hop_s: float) -> str:
    """What would make the interval narrower: as much sound again, but at least an hour.

    Args:
        bank: The bank with the enrolled windows.
        wish: The false alarms a day that are wished for.
        rule: The rule of the alarm.
        hop_s: The time from one window to the next in seconds.
    """
    heard_minutes = len(bank.ranked.descending) * bank.info.hop_s / 60.0
    hours = max(1, round(heard_minutes / 60.0))
    longer = with_more_sound(bank, wish, rule, hop_s, 60.0 * hours)
    return f"{counted(hours, 'more hour')} of sound would make it {_interval(longer)}"


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
        f"No enrolled window scored so high, so this is a guess. Enroll "
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
