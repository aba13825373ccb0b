"""What an evaluation found: the numbers, the table on screen and the files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.dcase.measures import Measures, ScoredClip, measure, official_score, pooled_score
from asd_edge.calibration.dcase.metrics import harmonic_mean
from asd_edge.calibration.dcase.result_table import result_table
from asd_edge.calibration.dcase.submission import MachineKey, write_scores
from asd_edge.calibration.wording import visible

if TYPE_CHECKING:
    from rich.table import Table

ROWS = {"AUC (src)": "auc_source", "AUC (tgt)": "auc_target", "pAUC": "pauc"}
"""[ASP] Table 2"""
LOUDNESS = "loudness alone"


@dataclass(frozen=True)
class MachineResult:
    """What one method says of one machine's test clips."""

    machine: str
    key: MachineKey
    """the machine type and section, by which the challenge names its files"""
    clips: tuple[ScoredClip, ...]
    levels_dbfs: tuple[float, ...] = ()
    """the level of each clip; empty where only scores are known"""
    train_clips: int | None = None
    """how many clips were enrolled; none where only scores are known"""
    threshold: float | None = None
    """The threshold of clips that have as many windows as most of them; none where only decisions are known."""
    not_scored: tuple[str, ...] = ()
    """The names of the test clips that were left out, were recorded while the sensor did not work, or have a window of
    which the model makes no finite number; they count nowhere else."""

    @property
    def labelled(self) -> bool:
        """Whether it is known which clips are anomalous."""
        return all(clip.label for clip in self.clips)

    @cached_property
    def measures(self) -> Measures | None:
        """The measures; none without labels."""
        return measure(self.clips) if self.labelled else None

    @cached_property
    def loudness(self) -> Measures | None:
        """What the level of a clip alone would reach, louder being more anomalous. Only its areas mean anything."""
        if not self.labelled or not self.levels_dbfs:
            return None
        return measure(self.as_loudness)

    @property
    def as_loudness(self) -> list[ScoredClip]:
        """The same clips with their level as the score."""
        return [
            ScoredClip(clip.name, clip.domain, clip.label, level_dbfs, False)
            for clip, level_dbfs in zip(self.clips, self.levels_dbfs, strict=True)
        ]

    def count(self, label: str) -> int:
        """How many test clips have this label."""
        return sum(clip.label == label for clip in self.clips)


@dataclass(frozen=True)
class Evaluation:
    """What one method reaches on all machines."""

    method: str
    """the scorer, or the folder that the scores come from"""
    settings: Mapping[str, str]
    """what it was run with, in words"""
    machines: Mapping[str, MachineResult]

    @property
    def measures(self) -> dict[str, Measures]:
        """The measures of the machines with labels, by name."""
        return {name: found.measures for name, found in self.machines.items() if found.measures is not None}

    @property
    def loudness(self) -> dict[str, Measures]:
        """The measures of loudness alone, of the machines with labels and sound, by name."""
        return {name: found.loudness for name, found in self.machines.items() if found.loudness is not None}

    @property
    def official_score(self) -> float | None:
        """The challenge's Ω; none without labels."""
        return official_score(self.measures.values()) if self.measures else None

    @property
    def pooled_score(self) -> float | None:
        """[ASP]'s own Ω; none without labels."""
        return pooled_score(self.measures.values()) if self.measures else None

    def as_json(self) -> dict[str, Any]:
        """``results.json``: the scores, and under ``machines`` the measures of each."""
        measured, loudness = self.measures, self.loudness
        return {
            "official_score": self.official_score,
            "pooled_score": self.pooled_score,
            "loudness_official_score": official_score(loudness.values()) if loudness else None,
            "method": self.method,
            **self.settings,
            "harmonic_means": _harmonic_means(list(measured.values())),
            "machines": {name: _machine_json(found) for name, found in self.machines.items()},
        }


def _harmonic_means(machines: Sequence[Measures]) -> dict[str, float | None]:
    values = {
        field.name: [value for each in machines if (value := getattr(each, field.name)) is not None]
        for field in fields(Measures)
    }
    return {name: harmonic_mean(found) if found else None for name, found in values.items()}


def _machine_json(found: MachineResult) -> dict[str, Any]:
    measures = {field.name: None for field in fields(Measures)} if found.measures is None else asdict(found.measures)
    return {
        "train_clips": found.train_clips,
        "normal_clips": found.count("normal"),
        "anomaly_clips": found.count("anomaly"),
        "unlabelled_clips": found.count(""),
        "not_scored": list(found.not_scored),
        "threshold": found.threshold,
        **measures,
        **{f"loudness_{name}": getattr(found.loudness, name, None) for name in ("auc", *ROWS.values())},
    }


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write ``results.json``, the challenge's CSV files and, with labels, ``result.csv`` as the official evaluator.

    Raises:
        InputError: The folder cannot be written to.
    """
    for found in evaluation.machines.values():
        write_scores(folder, found.key, found.clips)
    with write_whole(folder / "results.json") as file:
        file.write((json.dumps(evaluation.as_json(), indent=2, allow_nan=False) + "\n").encode())
    labelled = {found.key: found.clips for found in evaluation.machines.values() if found.labelled}
    if labelled:
        with write_whole(folder / "result.csv") as file:
            file.write(result_table(labelled).encode())


def measures_by_method(evaluations: Sequence[Evaluation]) -> dict[str, dict[str, Measures]]:
    """Order measures by method and machine, with loudness alone as the last method where there is sound."""
    found = {each.method: each.measures for each in evaluations}
    return found | ({LOUDNESS: evaluations[0].loudness} if evaluations[0].loudness else {})


def measures_table(evaluations: Sequence[Evaluation]) -> Table:
    """AUC of both domains and pAUC of each machine by method, in the layout of [ASP] Table 2, the best bold."""
    from rich.table import Table
    from rich.text import Text

    methods = measures_by_method(evaluations)
    machines = list(evaluations[0].measures)
    table = Table(box=None, padding=(0, 0, 0, 2))
    table.add_column("method", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for machine in machines:
        table.add_column(visible(machine), justify="right")
    best = {
        (machine, name): max((getattr(each.measures[machine], name) or 0.0) for each in evaluations)
        for machine in machines
        for name in ROWS.values()
    }
    for method, found in methods.items():
        for number, (label, name) in enumerate(ROWS.items()):
            cells = []
            for machine in machines:
                value = getattr(found[machine], name)
                bold = len(evaluations) > 1 and method != LOUDNESS and value == best[machine, name]
                cells.append(Text("-" if value is None else f"{value:.3f}", "bold" if bold else ""))
            table.add_row("" if number else visible(method), label, *cells, style="dim" if method == LOUDNESS else "")
    return table


def scores_table(evaluations: Sequence[Evaluation]) -> Table:
    """Ω of each method, in the layout of [ASP] Table 3, beside the report's own Ω."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 0, 0, 2))
    table.add_column("method", no_wrap=True)
    table.add_column("Ω", justify="right")
    table.add_column("Ω pooled", justify="right")
    for each in evaluations:
        table.add_row(visible(each.method), f"{each.official_score:.4f}", f"{each.pooled_score:.4f}", style="bold")
    loudness = evaluations[0].loudness.values()
    if loudness:
        table.add_row(LOUDNESS, f"{official_score(loudness):.4f}", f"{pooled_score(loudness):.4f}", style="dim")
    return table
