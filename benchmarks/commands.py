"""The commands that measure: they parse, call one function of the library and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd_edge.runtime.commands.options import ModelOption, ProviderOption, ThreadsOption


def evaluate(
    data_dir: Annotated[
        Path, typer.Argument(help="Recordings in the layout of DCASE Task 2: <machine>/{train,test}/section_00_...wav.")
    ],
    model: ModelOption = "logmel",
    provider: ProviderOption = "auto",
    threads: ThreadsOption = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
) -> None:
    """Measure how well faults are found, on recordings with labels: AUC, pAUC and their harmonic mean Ω.

    Each machine is enrolled from its training clips and its test clips are scored, the way it runs on the device.
    """
    from rich.console import Console

    from asd_edge.benchmarks.evaluation import evaluate as evaluate_data_set
    from asd_edge.benchmarks.evaluation import evaluation_json, evaluation_table
    from asd_edge.runtime.model import Model

    told = Console(stderr=True, highlight=False)
    embedder = Model(model, provider, threads)
    with told.status("reading") as status:
        evaluation = evaluate_data_set(data_dir, embedder, status.update, told.print)
    if json:
        print(evaluation_json(evaluation))
    else:
        Console(highlight=False).print(evaluation_table(evaluation))
