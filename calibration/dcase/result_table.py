"""The table that the official evaluator of DCASE Task 2 prints: measures of each machine, and means over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from asd_edge.calibration.csv_text import csv_text
from asd_edge.calibration.dcase.measures import DOMAINS, Measures, ScoredClip, measure, official_ci95, official_score
from asd_edge.calibration.dcase.metrics import harmonic_mean
from asd_edge.calibration.dcase.submission import MachineKey

_SECTION_HEADER = (
    "section", "AUC (all)", "AUC (source)", "AUC (target)", "pAUC", "precision (source)", "precision (target)",
    "recall (source)", "recall (target)", "F1 score (source)", "F1 score (target)",
)  # fmt: skip
_MEANS_HEADER = ("", "", "AUC", "pAUC", "precision", "recall", "F1 score")
Cell = str | float | None


def result_table(machines: Mapping[MachineKey, Sequence[ScoredClip]]) -> str:
    """Measure machines and lay out the results as the official evaluator does, as CSV text.

    Where both domains have normal and anomalous clips, every number is the evaluator's own. A mean leaves out the
    measures that there are not.

    Args:
        machines: The labelled clips by machine; the sections of a machine type follow each other.
    """
    measured = {key: measure(clips) for key, clips in machines.items()}
    rows: list[Sequence[Cell]] = []
    for machine_type in dict.fromkeys(key[0] for key in measured):
        sections = {key[1]: measures for key, measures in measured.items() if key[0] == machine_type}
        rows += [[machine_type], _SECTION_HEADER]
        rows += [[name.rpartition("_")[2], *_cells(measures)] for name, measures in sections.items()]
        rows += [_MEANS_HEADER, *_means(list(sections.values()), ""), []]
    rows += [_MEANS_HEADER, *_means(list(measured.values()), " over all machine types, sections, and domains"), []]
    rows.append(["official score", "", official_score(measured.values())])
    everything = [clip for clips in machines.values() for clip in clips]
    rows += [["official score ci95", "", official_ci95(everything)], []]
    return csv_text(rows)


def _cells(measures: Measures) -> list[Cell]:
    per_domain = [getattr(measures, f"{name}_{domain}") for name in ("precision", "recall", "f1") for domain in DOMAINS]
    return [measures.auc, measures.auc_source, measures.auc_target, measures.pauc, *per_domain]


def _means(machines: Sequence[Measures], over: str) -> list[list[Cell]]:
    source, target = (_columns(machines, domain) for domain in DOMAINS)
    both = [one + other for one, other in zip(source, target, strict=True)]

    def row(name: str, mean: Callable[[list[float]], float], columns: list[list[float]]) -> list[Cell]:
        return [f"{name}{over}", "", *(mean(column) if column else None for column in columns)]

    return [
        row("arithmetic mean", fmean, both),
        row("harmonic mean", harmonic_mean, both),
        row("source harmonic mean", harmonic_mean, source),
        row("target harmonic mean", harmonic_mean, target),
    ]


def _columns(machines: Sequence[Measures], domain: str) -> list[list[float]]:
    """The AUC, pAUC, precision, recall and F1 of all machines in one domain; the pAUC is that of both domains."""
    names = (f"auc_{domain}", "pauc", f"precision_{domain}", f"recall_{domain}", f"f1_{domain}")
    inside = [each for each in machines if getattr(each, f"auc_{domain}") is not None]
    return [[value for each in inside if (value := getattr(each, name)) is not None] for name in names]
