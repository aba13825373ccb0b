"""`asd-edge train mm-autoencoder` and `asd-edge export mm-autoencoder`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd_edge.export.commands.export_options import Output, show
from asd_edge.export.commands.train_options import (
    Accelerator,
    Accumulate,
    Batch,
    ChannelOption,
    Data,
    Epochs,
    LearningRate,
    MixedPrecision,
    Processes,
    Resume,
    Seed,
    SkipDamaged,
    WeightDecay,
    Window,
    Workers,
    changed,
    resumable,
    tell,
)


def train_mm_autoencoder(
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="The trained weights to write, a .pt file.")],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="BEATs_iter3.pt, as Microsoft publishes it.")
    ] = None,
    without_beats: Annotated[
        bool, typer.Option("--without-beats", help="Hear the log-mel spectrogram instead: a model under 10 MB.")
    ] = False,
    features: Annotated[
        Path | None, typer.Option("--features", help="Folder for patch features; by default beside the output.")
    ] = None,
    layers: Annotated[int | None, typer.Option("--layers", help="Keep the first so many encoder layers.")] = None,
    window: Window = 10.0,
    channel: ChannelOption = "1",
    epochs: Epochs = None,
    batch: Batch = None,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    seed: Seed = 0,
    accelerator: Accelerator = "auto",
    processes: Processes = 1,
    mixed_precision: MixedPrecision = False,
    workers: Workers = 0,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """One autoencoder for all machines, that hears BEATs or the log-mel spectrogram, and the waveform.

    Default: 50 epochs of batches of 7 windows, learning rate 0.001 that falls to zero, no weight decay.
    """
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.calibration.errors import InputError
    from asd_edge.export.systems.mm_autoencoder.training import CONV_AE_TRAINING, train_conv_autoencoder

    of_beats = {"--checkpoint": checkpoint, "--features": features, "--layers": layers}
    given = [f"{option} {value}" for option, value in of_beats.items() if value is not None]
    if without_beats and given:
        raise InputError(
            "Without BEATs there is nothing to do for its options.",
            got=f"--without-beats and {given[0]}",
            valid="--checkpoint FILE, or --without-beats alone",
            next_step="leave one of them away",
        )
    if checkpoint is None and not without_beats:
        raise InputError(
            "It takes a BEATs checkpoint, or does without.",
            got="neither --checkpoint nor --without-beats",
            valid="one of them",
            next_step="try --without-beats for a small model",
        )
    with resumable():
        origin = train_conv_autoencoder(
            data,
            output,
            checkpoint,
            training=changed(CONV_AE_TRAINING, epochs, batch, learning_rate, weight_decay, seed, accumulate),
            features=features,
            layers=layers,
            window_s=window,
            channel=parse_channel(channel),
            accelerator=accelerator,
            processes=processes,
            mixed_precision=mixed_precision,
            workers=workers,
            resume=resume,
            skip_damaged=skip_damaged,
            tell=tell,
        )
    if origin is None:
        return  # one of several processes
    typer.echo(f"{output}: {origin.system}")
    given = [f"--weights {output}", *([f"--checkpoint {checkpoint}"] if checkpoint else [])]
    typer.echo(f"Next: asd-edge export mm-autoencoder {' '.join(given)} --output {output.with_suffix('.onnx')}")


def export_mm_autoencoder(
    weights: Annotated[Path, typer.Option("--weights", help="What `asd-edge train mm-autoencoder` wrote.")],
    output: Output,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="The BEATs checkpoint that it was trained with, if any.")
    ] = None,
    target: Annotated[
        str, typer.Option("--target", help="Where BEATs will run: cpu, or cuda, also for TensorRT and OpenVINO.")
    ] = "cpu",
    error: Annotated[
        str,
        typer.Option(
            "--error", help="What the errors of a window's frames become: mean, max, or top, the worst tenth."
        ),
    ] = "mean",
) -> None:
    """The autoencoder of several modalities: how badly it rebuilds a window, and its latent code."""
    from asd_edge.export.onnx_file import export_model
    from asd_edge.export.systems.mm_autoencoder.model import build_conv_autoencoder

    show(export_model(*build_conv_autoencoder(weights, checkpoint, target, error), output), output)
