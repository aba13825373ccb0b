"""Saying in plain words what an enrolment learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.coreset import Reduction
from asd_edge.calibration.bank.learning_curve import MOST_MORE, LearningCurve
from asd_edge.calibration.bank.threshold import DEFAULT_PERCENTILE
from asd_edge.calibration.scorers.registry import require_scorer
from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.enrolment.comparison import Strangeness
from asd_edge.runtime.enrolment.kept_beside import before_path
from asd_edge.runtime.enrolment.report import EnrollReport
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.threshold_text import promise, thresholds

COLUMN = 16
"""The column in which the text begins, after the labels."""


def explain_enrolment(report: EnrollReport) -> str:
    """What an enrolment learned, on one screen.

    Args:
        report: What `enroll` gave. Where the bank has too few windows for a threshold, the text ends with the windows:
            the error that the bank then holds (`Bank.why_not_ready`) says the rest.
    """
    bank, info = report.bank, report.bank.info
    machine = f' "{visible(info.name)}"' if info.name else ""
    held = len(bank.references)
    windows = [f"{report.added} new"]
    if held != report.added:
        windows.append(f"{held} in the bank")
    if bank.independent_windows != held:
        windows.append(f"{bank.independent_windows} of them without overlap")
    lines = [
        f"{'Stopped early; kept' if report.interrupted else 'Enrolled'}{machine} in {visible(report.path)}",
        "",
        f"  windows       {', '.join(windows)}",
    ]
    if report.already_there:
        lines.append(f"                {report.already_there} were in the bank already")
    if report.repeated:
        lines.append(f"                {report.repeated} shorter than {info.window_s:g} s, repeated to fill the window")
    refused = ", ".join(f"{count} x {visible(reason)}" for reason, count in report.refused.items())
    lines.append(f"  refused       {refused or 'none'}")
    if report.kept_files:
        lines.append(
            f"  sound kept    {counted(len(report.kept_files), 'file')} in {visible(report.kept_files[0].parent)}"
        )
    if report.bandwidth:
        lines.append(f"  look          {visible(report.bandwidth)}")
    if report.strangeness is not None:
        lines += _compared(report.strangeness, report.path)
    if not bank.ready:
        return "\n".join(lines)
    lines.append(f"  scorer        {info.scorer}: {require_scorer(info.scorer).words}")
    if report.reduction is not None:
        lines += _cost(report.reduction)
    lines += _thresholds(bank)
    if report.curve is not None:
        lines += _length(report.curve, report.minutes_more or 0.0)
    return "\n".join([*lines, *_next(report)])


def _compared(found: Strangeness, path: Path) -> list[str]:
    """How the windows that were added compare with the bank before, and how to take them back."""
    return [
        f"  compared      {found.above} of {found.windows} new windows above the threshold of the bank before,",
        f"                about {found.expected:.2g} expected; the highest at {found.highest:.1f} times the threshold",
        f"  to undo       asd-edge enroll --undo --bank {visible(path)}",
    ]


def _cost(reduction: Reduction) -> list[str]:
    return [
        f"  kept          {reduction.kept} of {reduction.references} to compare with: mean normal score "
        f"{reduction.mean_after:.3g} instead of {reduction.mean_before:.3g},",
        f"                threshold for single windows {reduction.threshold_after:.4g} instead of "
        f"{reduction.threshold_before:.4g}",
    ]


def _thresholds(bank: Bank) -> list[str]:
    settings = ListenSettings(hop_s=bank.info.hop_s)
    decision = bank.threshold_at(DEFAULT_PERCENTILE, settings.rule, settings.hop_s)
    alarm = settings.threshold(bank)
    return [
        *_labelled("threshold", thresholds(alarm, decision.value, settings.rule)),
        *_labelled("false alarms", promise(bank, settings, alarm)),
    ]


def _length(curve: LearningCurve, minutes_more: float) -> list[str]:
    minutes = counted(max(1, math.ceil(minutes_more)), "minute")
    about = "at least" if curve.more >= MOST_MORE else "about"
    verdict = "yes" if curve.long_enough else f"not yet, add {about} {minutes} with --append"
    why = f"its second half brought the nearest window {100 * curve.drop:.0f} % closer"
    return _labelled("long enough?", [f"{verdict}: {why}"] if curve.long_enough else [f"{verdict}:", why])


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    """Lines of the screen, of which the first has a label."""
    return [f"  {label if number == 0 else '':<{COLUMN - 2}}{line}" for number, line in enumerate(lines)]


def _next(report: EnrollReport) -> list[str]:
    source = "" if report.bank.info.device else " --device NAME"
    return ["", f"Next: asd-edge listen --bank {visible(report.path)}{source}"]


def explain_undo(bank: Bank, path: Path) -> str:
    """What the bank is again after the last addition was taken back.

    Args:
        bank: The bank as it is now.
        path: The path of the bank.
    """
    held = counted(len(bank.references), "window")
    return (
        f"{path} is again what it was on {bank.info.updated or bank.info.created}: {held} to compare with.\n"
        f"What was added since is kept in {before_path(path)}; the same command brings it back."
    )
