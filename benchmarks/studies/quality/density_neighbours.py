"""Local density normalisation by the number of neighbours that tell how dense normal sound is.

The formula is computed directly, apart from the scorer `nearest-ldn`, which it should equal at one neighbour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.dcase.data_set import Clip, read_data_set
from asd_edge.calibration.dcase.measures import ScoredClip, measure
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.normalisation import Normalisation
from asd_edge.calibration.scorers.registry import require_scorer
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime import Model


@settings
class DensityNeighboursSettings:
    """Which machine to look at, and with how many neighbours."""

    data: Annotated[Path, Setting("A folder in the layout of DCASE Task 2.")]
    machine: Annotated[str, Setting("The machine to look at.")] = "drone"
    neighbours: Annotated[
        tuple[int, ...],
        Setting(
            "How many nearest references of a reference tell its density; the option can be repeated.",
            at_least=1,
            at_most=1000000,
        ),
    ] = (1, 2, 4, 8, 16, 32)
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"


@dataclass(frozen=True)
class Distances:
    """How far apart the first windows of a machine's clips are, normalised as the scorer does."""

    among: NDArray[np.float64]
    """the distances among the references, (references, references)"""
    to: NDArray[np.float64]
    """the distances of test clips to references, (test clips, references)"""
    by_scorer: NDArray[np.float64]
    """the scores that the scorer `nearest-ldn` gives, (test clips,)"""
    clips: list[Clip]
    """the test clips"""


def distances_of(wanted: DensityNeighboursSettings) -> Distances:
    """Embed the clips of a machine and compare them.

    Raises:
        InputError: There is no such machine, or a clip or the model cannot be used.
    """
    machines = read_data_set(wanted.data)
    if wanted.machine not in machines:
        raise InputError(
            "There is no such machine.",
            got=wanted.machine,
            valid=", ".join(machines),
            next_step="choose one with --machine",
        )
    model = Model(wanted.model, "cpu")
    clips = {split: [clip for clip in machines[wanted.machine] if clip.split == split] for split in ("train", "test")}
    train, test = (
        np.stack([model.embed(read_windows(clip.path, model.info.samples)[0]).embedding for clip in each])
        for each in clips.values()
    )
    count = len(train)
    timeline = Timeline(np.arange(count, dtype=np.int32), np.zeros(count), model.info.window_s)
    scorer, _ = require_scorer("nearest-ldn").fit(References(train, timeline, np.full(count, "", np.str_)))
    by_scorer = np.array([scorer.score(ModelOutput(embedding)) for embedding in test])
    normalisation = Normalisation.of(train)
    references, queries = (normalisation.apply(each).astype(np.float64) for each in (train, test))
    return Distances(_apart(references, references), _apart(queries, references), by_scorer, clips["test"])


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure the distance of each row of one matrix to each row of the other."""
    return np.stack([np.sqrt(((other - row) ** 2).sum(axis=1)) for row in one])


def density_scores(distances: Distances, neighbours: int) -> NDArray[np.float64]:
    """Compute the published formula: the smallest distance, in units of how far apart normal windows lie there.

    Args:
        distances: The distances among references, and of test clips to them.
        neighbours: K, how many nearest references of a reference are averaged over.

    Returns:
        The scores, ``(clips,)``.
    """
    others = distances.among + np.diag(np.full(len(distances.among), np.inf))
    spreads = np.sort(others, axis=1)[:, :neighbours].mean(axis=1)
    return np.asarray((distances.to / spreads).min(axis=1))


def density_neighbours(wanted: DensityNeighboursSettings) -> None:
    """How the areas of local density normalisation change with the number of neighbours."""
    distances = distances_of(wanted)
    limit = len(distances.among) - 1
    rows = [
        _row(f"{count}", distances.clips, density_scores(distances, count))
        for count in wanted.neighbours
        if count <= limit
    ]
    print_table(("neighbours", "AUC source", "target", "both", "pAUC"), rows)
    nearest = np.sort(distances.among, axis=1)[:, 1]
    densest = (distances.to / nearest).argmin(axis=1)
    strange = int(nearest.argmax())
    say(
        f"\nThe training clip that is furthest from its nearest neighbour is {nearest[strange]:.0f} away, the others "
        f"{np.median(np.delete(nearest, strange)):.0f} in the median; it is the nearest, in these units, of "
        f"{int((densest == strange).sum())} of the {len(densest)} test clips."
    )


def _row(name: str, clips: Sequence[Clip], scores: NDArray[np.float64]) -> tuple[str, ...]:
    found = measure(
        [
            ScoredClip(clip.path.name, clip.domain, clip.label, float(score), False)
            for clip, score in zip(clips, scores, strict=True)
        ]
    )
    areas = (found.auc_source, found.auc_target, found.auc, found.pauc)
    return name, *("-" if area is None else f"{area:.3f}" for area in areas)
