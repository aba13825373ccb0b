"""The page of an evaluation: one file that opens offline, with every number, histogram and ROC curve."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from asd_edge.benchmarks.evaluate.charts import histogram_svg, roc_svg
from asd_edge.benchmarks.evaluate.results import LOUDNESS, ROWS, Evaluation, MachineResult, measures_by_method
from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.dcase.measures import DOMAINS, Measures, ScoredClip, official_score, pooled_score

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
"""What histograms tell apart: CSS class, words and which clips."""


def write_page(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write the page.

    Args:
        evaluations: Methods on the same machines, side by side.
        path: Where.

    Raises:
        InputError: The folder cannot be written to.
    """
    template = string.Template((Path(__file__).parent / "pages" / "evaluation.html").read_text(encoding="utf-8"))
    first = evaluations[0]
    text = template.substitute(
        result=_result(evaluations),
        settings="\n".join(
            f"<dt>{_SETTINGS[name]}</dt><dd>{escape(value)}</dd>" for name, value in first.settings.items()
        ),
        key=_key(first),
        overview=_overview(evaluations) if first.measures else "",
        machines="\n".join(
            _machine(found, [(each.method, each.machines[name]) for each in evaluations])
            for name, found in first.machines.items()
        ),
    )
    with write_whole(path) as file:
        file.write(text.encode())


def _key(evaluation: Evaluation) -> str:
    """What the colours and the dashed lines mean, of those that there are."""
    found = list(evaluation.machines.values())
    clips = [clip for each in found for clip in each.clips]
    items = [
        f'<li><i class="{name}"></i>{words}</li>'
        for name, (words, of_group) in _GROUPS.items()
        if any(map(of_group, clips))
    ]
    if any(each.threshold is not None for each in found):
        items.append('<li><i class="dashes"></i>threshold</li>')
    if evaluation.loudness:
        items.append(f'<li><i class="dashes loudness"></i>{LOUDNESS}</li>')
    return "\n".join(items)


def _result(evaluations: Sequence[Evaluation]) -> str:
    scored = [(each.official_score, each.method) for each in evaluations if each.official_score is not None]
    if not scored:
        return "The test clips have no labels: they are scored, and no measure is possible."
    best, method = max(scored)
    loudness = evaluations[0].loudness
    beside = f" Loudness alone would reach {official_score(loudness.values()):.3f}." if loudness else ""
    return f"Official score Ω {best:.3f} with <b>{escape(method)}</b> on {_plural(evaluations[0].measures)}.{beside}"


def _plural(machines: Mapping[str, Measures]) -> str:
    return f"{len(machines)} machine{'' if len(machines) == 1 else 's'}"


def _overview(evaluations: Sequence[Evaluation]) -> str:
    """A row for each method: its scores, and the harmonic means over the machines."""
    rows = []
    for method, measures in measures_by_method(evaluations).items():
        found = list(measures.values())
        per_machine = [
            f"<td>{'<br>'.join(_number(getattr(each, name)) for name in ROWS.values())}</td>" for each in found
        ]
        scores = f"<td><b>{official_score(found):.3f}</b></td><td>{pooled_score(found):.3f}</td>"
        css = ' class="loudness"' if method == LOUDNESS else ""
        metrics = f"<td>{'<br>'.join(ROWS)}</td>"
        rows.append(f"<tr{css}><th>{escape(method)}</th>{scores}{metrics}{''.join(per_machine)}</tr>")
    heads = "".join(f"<th>{escape(machine)}</th>" for machine in evaluations[0].measures)
    return (
        '<div class="wide"><table><thead><tr><th>method</th><th>Ω</th><th>Ω pooled</th><th>metric</th>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="note">Ω is the official score, the harmonic mean of the AUCs of both domains and the pAUCs; '
        "<i>Ω pooled</i> is that of the AUCs over both domains together and the pAUCs.</p>"
    )


def _machine(found: MachineResult, methods: Sequence[tuple[str, MachineResult]]) -> str:
    trained = "" if found.train_clips is None else f"{found.train_clips} clips enrolled, "
    tested = (
        f"{found.count('normal')} normal and {found.count('anomaly')} anomalous clips tested"
        if found.labelled
        else f"{len(found.clips)} clips without labels scored"
    )
    left_out = f"; {len(found.not_scored)} could not be scored" if found.not_scored else ""
    cards = "\n".join(_card(method, result) for method, result in methods)
    return (
        f"<section><h2>{escape(found.machine)}</h2><p class='note'>{trained}{tested}{left_out}.</p>"
        f"{_numbers(methods) if found.labelled else ''}{cards}</section>"
    )


def _numbers(methods: Sequence[tuple[str, MachineResult]]) -> str:
    rows = [
        f"<tr><th>{escape(method)}</th>"
        + "".join(f"<td>{_number(getattr(result.measures, name))}</td>" for name in _COLUMNS.values())
        + "</tr>"
        for method, result in methods
    ]
    loudness = methods[0][1].loudness
    if loudness is not None:
        cells = [f"<td>{_number(getattr(loudness, name)) if name in _AREAS else ''}</td>" for name in _COLUMNS.values()]
        rows.append(f'<tr class="loudness"><th>{LOUDNESS}</th>{"".join(cells)}</tr>')
    heads = "".join(f"<th>{label}</th>" for label in _COLUMNS)
    return (
        f'<div class="wide"><table><thead><tr><th>method</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _card(method: str, result: MachineResult) -> str:
    groups = {name: [clip.score for clip in result.clips if of_group(clip)] for name, (_, of_group) in _GROUPS.items()}
    pictures = histogram_svg(groups, result.threshold)
    if result.labelled:
        curves = {f"roc-{domain}": _curve(result.clips, domain) for domain in DOMAINS}
        if result.levels_dbfs:
            curves["roc-loudness"] = _curve(result.as_loudness, None)
        pictures += roc_svg(curves)
    return f'<figure><figcaption>{escape(method)}</figcaption><div class="pair">{pictures}</div></figure>'


def _curve(clips: Sequence[ScoredClip], domain: str | None) -> tuple[list[float], list[float]]:
    """Scores of a domain's normal clips, or of all, and of all anomalies."""
    normal = [clip.score for clip in clips if clip.label == "normal" and domain in {None, clip.domain or "source"}]
    return normal, [clip.score for clip in clips if clip.label == "anomaly"]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
