"""The command `asd-edge evaluate`: it runs an evaluation and prints its tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd_edge.benchmarks.evaluation.settings import EvaluatedModels, EvaluateSettings
from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import counted, visible

if TYPE_CHECKING:
    from asd_edge.benchmarks.evaluation.results import Evaluation

_WIDEST = 1000
"""Columns of a table: rather let the terminal wrap a row than hide machines."""


@options
def evaluate(settings: EvaluateSettings, models: EvaluatedModels) -> None:
    """Measure how well faults are found, by the measures of DCASE Task 2: AUC, pAUC and the official score Ω.

    Each machine is enrolled from its training clips and its test clips are scored, the way it runs on the device.

    With --scores and --ground-truth, what any system handed in to the challenge is measured instead.

    With --bank, it is told which of the faults that people confirmed the bank would find today.
    """
    from rich.text import Text

    from asd_edge.benchmarks.evaluation.evaluate import evaluate as evaluate_data
    from asd_edge.calibration.console import Console

    if settings.banks:
        _show_faults(settings)
        return
    with Console(stderr=True).status("reading") as status:
        evaluations = evaluate_data(settings, models, lambda what: status.update(Text(visible(what))))
    _show(evaluations, settings.output)


def _show_faults(settings: EvaluateSettings) -> None:
    from rich.table import Table

    from asd_edge.benchmarks.evaluation.known_faults import HEADS, evaluate_banks, fault_rows
    from asd_edge.calibration.console import Console

    found, console = evaluate_banks(settings), Console()
    table = Table(*HEADS, box=None)
    for row in fault_rows(found):
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else visible(cell) for cell in row))
    faults = [fault for each in found.values() for fault in each]
    if faults:
        Console(width=_WIDEST).print(table)
    would = sum(fault.found for fault in faults)
    console.say(f"{would} of {counted(len(faults), 'known fault')} would be found.")
    console.say(f"\nResults: {visible(settings.output)}")


def _show(evaluations: "Sequence[Evaluation]", output: Path) -> None:
    from asd_edge.benchmarks.evaluation.results import measures_table, scores_table
    from asd_edge.calibration.console import Console

    console, wide = Console(), Console(width=_WIDEST)
    treated = evaluations[0].settings
    if "short_clips" in treated:
        console.say(f"Clips shorter than the window: {treated['short_clips']}; longer: {treated['long_clips']}.\n")
    if evaluations[0].measures:
        wide.print(measures_table(evaluations))
        console.say("")
        wide.print(scores_table(evaluations))
    else:
        console.say("The test clips have no labels: they are scored, and no measure is possible.")
    console.say(f"\nResults: {visible(output)}; page: {visible(output / 'report.html')}")
