"""The command `asd-edge evaluate`: it runs an evaluation and prints its tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd_edge.benchmarks.evaluation.settings import EvaluatedModels, EvaluateSettings
from asd_edge.calibration.command_line import options

if TYPE_CHECKING:
    from asd_edge.benchmarks.evaluation.results import Evaluation

_WIDEST = 1000
"""Columns of a table: rather let the terminal wrap a row than hide machines."""


@options
def evaluate(settings: EvaluateSettings, models: EvaluatedModels) -> None:
    """Measure how well faults are found, by the measures of DCASE Task 2: AUC, pAUC and the official score Ω.

    Each machine is enrolled from its training clips and its test clips are scored, the way it runs on the device.

    With --scores and --ground-truth, what any system handed in to the challenge is measured instead.
    """
    from rich.console import Console

    from asd_edge.benchmarks.evaluation.evaluate import evaluate as evaluate_data

    with Console(stderr=True, highlight=False, markup=False, soft_wrap=True).status("reading") as status:
        evaluations = evaluate_data(settings, models, status.update)
    _show(evaluations, settings.output)


def _show(evaluations: "Sequence[Evaluation]", output: Path) -> None:
    from rich.console import Console

    from asd_edge.benchmarks.evaluation.results import measures_table, scores_table

    console = Console(highlight=False, width=_WIDEST)
    treated = evaluations[0].settings
    if "short_clips" in treated:
        print(f"Clips shorter than the window: {treated['short_clips']}; longer: {treated['long_clips']}.\n")
    if evaluations[0].measures:
        console.print(measures_table(evaluations))
        print()
        console.print(scores_table(evaluations))
    else:
        print("The test clips have no labels: they are scored, and no measure is possible.")
    print(f"\nResults: {output}; page: {output / 'report.html'}")
