"""`asd-edge export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd_edge.export.commands.export_options import Output, show
from asd_edge.export.commands.mm_autoencoder import export_mm_autoencoder
from asd_edge.export.commands.mm_discriminative import export_mm_discriminative

export = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Make a model file for the device (needs the 'export' extra)."
)
export.command("mm-discriminative")(export_mm_discriminative)
export.command("mm-autoencoder")(export_mm_autoencoder)


@export.command()
def beats(
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="BEATs_iter3.pt, as Microsoft publishes it.")],
    output: Output,
    pooling: Annotated[
        str, typer.Option("--pooling", help="From patches to one embedding: mean, stats, asp, rdp, gem or rdp-gem.")
    ] = "rdp-gem",
    mel_blocks: Annotated[
        str,
        typer.Option(
            "--mel-blocks",
            help="How the mel blocks of a time are pooled: apart, or after average or concatenate, which gives eight "
            "times the dimensions.",
        ),
    ] = "apart",
    head: Annotated[Path | None, typer.Option("--head", help="Trained weights of the pooling asp.")] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", help="Keep the first so many encoder layers: half is half the cost.")
    ] = None,
    window: Annotated[float, typer.Option("--window", help="Length of the window in seconds.")] = 10.0,
    precision: Annotated[
        str,
        typer.Option("--precision", help="fp32; int8, twice as fast on a CPU; or fp16, for a GPU."),
    ] = "fp32",
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="Where it will run: cpu, or cuda, also for TensorRT and OpenVINO. Default: by the precision.",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="Folder of recordings to round by and compare on. Default: generated."),
    ] = None,
) -> None:
    """BEATs with a pooling: the encoder that the best published systems hear with."""
    from asd_edge.export.beats.export import export_beats

    info = export_beats(checkpoint, output, pooling, head, layers, window, precision, calibration, target, mel_blocks)
    show(info, output)


@export.command("fs-ae")
def fs_ae(
    weights: Annotated[
        Path, typer.Option("--weights", help="What `asd-edge train fs-ae` wrote: a machine's .pt, or the folder.")
    ],
    output: Annotated[
        Path, typer.Option("--output", help="The .onnx file to write; of a folder of weights, a folder of models.")
    ],
    score: Annotated[
        str, typer.Option("--score", help="mse, or mahalanobis: of the residuals, the smaller of both domains.")
    ] = "mse",
) -> None:
    """The first-shot autoencoder, a model for each machine."""
    from asd_edge.export.onnx_file import export_model
    from asd_edge.export.systems.fs_ae.model import build_autoencoder, model_paths

    for trained, model in model_paths(weights, output):
        show(export_model(*build_autoencoder(trained, score), model), model)


@export.command()
def logmel(output: Output) -> None:
    """The model inside the package: statistics of the log-mel spectrogram, no training."""
    from asd_edge.export.onnx_file import export_model
    from asd_edge.export.systems.logmel import build

    show(export_model(*build(), output), output)
