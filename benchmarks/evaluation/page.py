"""The page of an evaluation: one file that opens offline, with every number, histogram and ROC curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asd_edge.benchmarks.drawing import NO_CHARTS, can_draw
from asd_edge.benchmarks.evaluation.charts import COLOUR_OF, histogram_svg, roc_svg
from asd_edge.benchmarks.evaluation.results import LOUDNESS, ROWS, Evaluation, MachineResult, measures_by_method
from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.dcase.measures import DOMAINS, ScoredClip, official_score, pooled_score
from asd_edge.runtime.reports.page import render

_TEMPLATE = Path(__file__).parent / "pages" / "evaluation.html"
_COLUMNS = {
    "AUC src": "auc_source", "AUC tgt": "auc_target", "pAUC": "pauc", "AUC all": "auc",
    "prec. src": "precision_source", "prec. tgt": "precision_target",
    "recall src": "recall_source", "recall tgt": "recall_target", "F1 src": "f1_source", "F1 tgt": "f1_target",
}  # fmt: skip
_AREAS = (*ROWS.values(), "auc")
_SETTINGS = {
    "data": "Recordings", "model": "Model", "provider": "Execution provider", "channel": "Channel",
    "short_clips": "Clips shorter than the window", "long_clips": "Clips longer than the window",
    "scores": "Scores", "ground_truth": "Ground truth",
}  # fmt: skip


_GROUPS: dict[str, tuple[str, Callable[[ScoredClip], bool]]] = {
    "normal-source": ("normal, source domain", lambda clip: clip.label == "normal" and clip.domain != "target"),
    "normal-target": ("normal, target domain", lambda clip: clip.label == "normal" and clip.domain == "target"),
    "anomaly": ("anomalies of both domains", lambda clip: clip.label == "anomaly"),
    "unlabelled": ("without a label", lambda clip: not clip.label),
}
"""What histograms tell apart: the class of a group in the page, its words, and which clips it has."""


def write_page(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write the page.

    Args:
        evaluations: Methods on the same machines, side by side.
        path: The file to write.

    Raises:
        InputError: The folder cannot be written to.
    """
    first = evaluations[0]
    draws = can_draw()
    text = render(
        _TEMPLATE,
        best=_best(evaluations),
        machine_count=len(first.measures),
        loudness_score=official_score(first.loudness.values()) if first.loudness else None,
        loudness=LOUDNESS,
        settings={_SETTINGS[name]: value for name, value in first.settings.items()},
        groups=_groups_of(first),
        thresholds=any(each.threshold is not None for each in first.machines.values()),
        rows=list(ROWS),
        measured=list(first.measures),
        overview=_overview(evaluations) if first.measures else [],
        columns=list(_COLUMNS),
        machines=[
            _machine(found, [(each.method, each.machines[name]) for each in evaluations], draws)
            for name, found in first.machines.items()
        ],
        no_charts="" if draws else NO_CHARTS,
    )
    with write_whole(path) as file:
        file.write(text.encode())


def _groups_of(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The groups of clips that there are: what each is called, and its colour."""
    clips = [clip for each in evaluation.machines.values() for clip in each.clips]
    return [(words, COLOUR_OF[name]) for name, (words, of_group) in _GROUPS.items() if any(map(of_group, clips))]


def _best(evaluations: Sequence[Evaluation]) -> tuple[float, str] | None:
    """The largest official score, and the method that has it; none without labels."""
    return max(
        ((each.official_score, each.method) for each in evaluations if each.official_score is not None), default=None
    )


def _overview(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """A row for each method: its scores, and the areas of each machine."""
    return [
        {
            "method": method,
            "official": official_score(measures.values()),
            "pooled": pooled_score(measures.values()),
            "machines": [[getattr(each, name) for name in ROWS.values()] for each in measures.values()],
        }
        for method, measures in measures_by_method(evaluations).items()
    ]


def _machine(found: MachineResult, methods: Sequence[tuple[str, MachineResult]], draws: bool) -> dict[str, Any]:
    """What the page shows of a machine."""
    numbers = [
        {"method": method, "values": [getattr(result.measures, name) for name in _COLUMNS.values()]}
        for method, result in methods
        if result.labelled
    ]
    loudness = methods[0][1].loudness
    if loudness is not None:
        areas = [getattr(loudness, name) if name in _AREAS else "" for name in _COLUMNS.values()]
        numbers.append({"method": LOUDNESS, "values": areas})
    return {
        "found": found,
        "numbers": numbers,
        "cards": [(method, _charts(result) if draws else []) for method, result in methods],
    }


def _charts(result: MachineResult) -> list[str]:
    """The histogram of a method and, with labels, its curves."""
    groups = {name: [clip.score for clip in result.clips if of_group(clip)] for name, (_, of_group) in _GROUPS.items()}
    charts = [histogram_svg(groups, result.threshold)]
    if result.labelled:
        curves = {f"roc-{domain}": _curve(result.clips, domain) for domain in DOMAINS}
        if result.levels_dbfs:
            curves["roc-loudness"] = _curve(result.as_loudness, None)
        charts.append(roc_svg(curves))
    return charts


def _curve(clips: Sequence[ScoredClip], domain: str | None) -> tuple[list[float], list[float]]:
    """The scores of a domain's normal clips, or of all normal ones, and of all anomalies."""
    normal = [clip.score for clip in clips if clip.label == "normal" and domain in {None, clip.domain or "source"}]
    return normal, [clip.score for clip in clips if clip.label == "anomaly"]
