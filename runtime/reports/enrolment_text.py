"""Saying in plain words what was chosen and what it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from asd_edge.calibration.alarm import DAY_S, AlarmRule
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.coreset import Reduction
from asd_edge.calibration.bank.learning_curve import LearningCurve
from asd_edge.calibration.bank.threshold import DEFAULT_PERCENTILE, Threshold
from asd_edge.calibration.scorers.registry import SCORERS
from asd_edge.runtime.pipeline.enrolling import EnrollReport
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.listening import Machine


@dataclass(frozen=True)
class ThresholdExplained:
    """A threshold as `listen` uses it."""

    words: tuple[str, ...]
    """sentences"""
    values: dict[str, Any]
    """the same for machines"""


def explain_threshold(machine: Machine) -> ThresholdExplained:
    """Say when the alarm goes on, how often it will cry wolf, and whether the enrolment can carry that promise."""
    bank, settings, threshold = machine.bank, machine.settings, machine.threshold
    rule = settings.rule
    words = [
        f"Alarm: on after {rule.k} of the last {rule.n} windows score above {threshold.value:.4g}, "
        f"off after {rule.k} normal ones in a row.",
        f"That threshold is the {threshold.percentile:.4g}th percentile of normal scores, fitted to "
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
    """Say that a percentile lies beyond what the enrolled windows have seen, and what to do about it."""
    needed = math.ceil(100.0 / (100.0 - threshold.percentile) - 1e-9)
    minutes = (needed - bank.independent_windows) * bank.info.window_s / 60.0
    return (
        f"This lies beyond what was enrolled: {bank.independent_windows} windows support percentiles up to "
        f"{threshold.supported_percentile:.4g}; past that the threshold is guessed from the shape of the distribution. "
        f"Enroll {max(1.0, minutes):.0f} minutes more with --append, or allow more false alarms."
    )


def most_false_alarms_per_day(threshold: Threshold, rule: AlarmRule, hop_s: float, window_s: float) -> float:
    """False alarms where windows that share sound exceed the threshold together instead of independently.

    Then one exceedance is seen by ``window / hop`` windows in a row; if those are enough for the alarm, every
    independent exceedance raises it.
    """
    shared = window_s / hop_s
    if shared < rule.k:
        return threshold.false_alarms_per_day
    together = (1.0 - threshold.percentile / 100.0) * DAY_S / window_s
    return max(threshold.false_alarms_per_day, together)


def explain_enrolment(report: EnrollReport) -> str:
    """One screen on what an enrolment learned; why there is no threshold, the bank says itself."""
    bank, info = report.bank, report.bank.info
    machine = f' "{info.name}"' if info.name else ""
    held = f"{len(bank.references)} in the bank, {bank.independent_windows} without overlap"
    lines = [
        f"{'Stopped early; kept' if report.interrupted else 'Enrolled'}{machine} in {report.path}",
        "",
        f"  windows       {report.added} new, {held}",
    ]
    if report.already_there:
        lines.append(f"                {report.already_there} were in the bank already")
    if report.repeated:
        lines.append(f"                {report.repeated} shorter than {info.window_s:g} s, repeated to fill the window")
    refused = ", ".join(f"{count} x {reason}" for reason, count in report.refused.items())
    lines.append(f"  refused       {refused or 'none'}")
    if report.kept_files:
        lines.append(f"  sound kept    {len(report.kept_files)} files in {report.kept_files[0].parent}")
    if not bank.ready:
        return "\n".join(lines)
    lines.append(f"  scorer        {info.scorer}: {SCORERS[info.scorer].words}")
    if report.reduction is not None:
        lines += _cost(report.reduction)
    lines += _thresholds(bank)
    if report.curve is not None:
        lines += _length(report.curve)
    return "\n".join([*lines, *_next(report)])


def _cost(reduction: Reduction) -> list[str]:
    return [
        f"  kept          {reduction.kept} of {reduction.references} to compare with: mean normal score "
        f"{reduction.mean_after:.3g} instead of {reduction.mean_before:.3g},",
        f"                threshold for single windows {reduction.threshold_after:.4g} instead of "
        f"{reduction.threshold_before:.4g}",
    ]


def _thresholds(bank: Bank) -> list[str]:
    hop_s = bank.info.hop_s
    settings = ListenSettings(hop_s=hop_s)
    rule = settings.rule
    decision = bank.threshold_at(DEFAULT_PERCENTILE, rule, hop_s)
    alarm = settings.threshold(bank)
    lines = [
        f"  threshold     {decision.value:.4g} for single windows: one normal window in ten lies above",
        f"                {alarm.value:.4g} for the alarm of `listen`: {rule.k} of {rule.n} windows above, "
        f"{alarm.percentile:.4g}th percentile",
        f"  false alarms  about {alarm.false_alarms_per_day:.2g} a day at a hop of {hop_s:g} s "
        f"({decision.false_alarms_per_day:.2g} with the threshold for single windows)",
    ]
    if alarm.extrapolated:
        lines.append(f"                {beyond_support(alarm, bank)}")
    return lines


def _length(curve: LearningCurve) -> list[str]:
    falls = ", ".join(
        f"{distance:.3g} of {count}" for count, distance in zip(curve.references, curve.mean_distances, strict=True)
    )
    verdict = "yes" if curve.long_enough else "not yet, add more with --append"
    return [
        f"  long enough?  {verdict}: the second half brought the nearest normal window closer by "
        f"{100 * curve.drop:.0f} %",
        f"                (mean distance to it with part of the windows: {falls})",
    ]


def _next(report: EnrollReport) -> list[str]:
    source = "" if report.bank.info.device else " --device NAME"
    return ["", f"Next: asd-edge listen --bank {report.path}{source}"]
