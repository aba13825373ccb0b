"""The commands that measure: they parse, call one function of the library and print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asd_edge.benchmarks.evaluate.results import Evaluation

_WIDEST = 1000
"""Columns of a table: rather let the terminal wrap a row than hide machines."""


def evaluate(
    output: Annotated[
        Path, typer.Option("--output", help="New folder for the results, the CSV files, the banks and the page.")
    ],
    data_dir: Annotated[
        Path | None,
        typer.Argument(help="Recordings in the layout of DCASE Task 2, 2020 to 2025: <machine>/{train,test}/*.wav."),
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", help="As of `enroll`, or a folder with a model for each machine, <machine>.onnx."),
    ] = "logmel",
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            help="As of `enroll`; repeatable, for methods side by side. Default: what the model was made for.",
        ),
    ] = None,
    max_references: Annotated[
        int | None, typer.Option("--max-references", help="Keep at most so many windows in a bank; default: all.")
    ] = None,
    short: Annotated[
        str, typer.Option("--short", help="Clips shorter than the window: 'repeat' them to fill it, or 'skip' them.")
    ] = "repeat",
    long: Annotated[
        str,
        typer.Option(
            "--long", help="Longer clips: cut into 'windows', of which the largest score counts, or the 'first' only."
        ),
    ] = "windows",
    channel: Annotated[
        str | None, typer.Option("--channel", help="The channel of the clips, counted from 1, or 'mix'; default: 1.")
    ] = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out clips that cannot be read, and count them.")
    ] = False,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", help="Instead of recordings: folder of scores for the challenge."),
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option("--ground-truth", help="For --scores: the challenge's ground_truth_* folders.")
    ] = None,
    provider: Annotated[
        str, typer.Option("--provider", help="Where the model runs: auto, cpu, cuda, tensorrt, openvino or coreml.")
    ] = "auto",
    threads: Annotated[int, typer.Option("--threads", help="CPU threads of the model; 0: one per physical core.")] = 0,
) -> None:
    """Measure how well faults are found, by the measures of DCASE Task 2: AUC, pAUC and the official score Ω.

    Each machine is enrolled from its training clips and its test clips are scored, the way it runs on the device; or,
    with --scores and --ground-truth, what any system handed in to the challenge is measured.
    """
    from rich.console import Console

    from asd_edge.benchmarks.evaluate.evaluation import evaluate as evaluate_data_set
    from asd_edge.benchmarks.evaluate.evaluation import evaluate_scores, load_models
    from asd_edge.benchmarks.evaluate.usable_clips import EvaluateSettings
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.calibration.errors import InputError

    if data_dir is None and scores is not None and ground_truth is not None:
        _show([evaluate_scores(scores, ground_truth, output)], output)
    elif data_dir is not None and scores is None and ground_truth is None:
        heard = parse_channel(channel or "1")
        settings = EvaluateSettings(tuple(scorer or ()), heard, short, long, max_references, skip_damaged)
        told = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        models = load_models(model, provider, threads)
        with told.status("reading") as status:
            evaluations = evaluate_data_set(data_dir, models, output, settings, status.update, told.print)
        _show(evaluations, output)
    else:
        given = {"DATA_DIR": data_dir, "--scores": scores, "--ground-truth": ground_truth}
        raise InputError(
            "It takes either recordings, or scores with their ground truth.",
            got=" and ".join(name for name, path in given.items() if path is not None) or "neither",
            valid="asd-edge evaluate DATA_DIR --output DIR, or --scores DIR --ground-truth DIR --output DIR",
            next_step="see asd-edge evaluate --help",
        )


def _show(evaluations: Sequence[Evaluation], output: Path) -> None:
    from rich.console import Console

    from asd_edge.benchmarks.evaluate.results import measures_table, scores_table

    console = Console(highlight=False, width=_WIDEST)
    settings = evaluations[0].settings
    if "short_clips" in settings:
        print(f"Clips shorter than the window: {settings['short_clips']}; longer: {settings['long_clips']}.\n")
    if evaluations[0].measures:
        console.print(measures_table(evaluations))
        print()
        console.print(scores_table(evaluations))
    else:
        print("The test clips have no labels: they are scored, and no measure is possible.")
    print(f"\nResults: {output}; page: {output / 'report.html'}")
