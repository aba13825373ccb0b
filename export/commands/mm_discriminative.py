"""`asd-edge train mm-discriminative` and `asd-edge export mm-discriminative`."""

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


def train_mm_discriminative(
    data: Data,
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="BEATs_iter3.pt, as Microsoft publishes it.")],
    output: Annotated[Path, typer.Option("--output", help="The trained weights to write, a .pt file.")],
    unfreeze: Annotated[
        str, typer.Option("--unfreeze", help="What of BEATs is trained: last4 layers and the convolution, or all.")
    ] = "last4",
    window: Window = 10.0,
    channel: ChannelOption = "1",
    epochs: Epochs = None,
    batch: Batch = None,
    accumulate: Accumulate = 4,
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
    """BEATs, Tgram and the spectrogram seen together, trained to tell machine types, attributes and domains apart.

    Default: 50 epochs of batches of 64, learning rate 0.001 that falls to zero and a twentieth of it for BEATs, weight
    decay 0.01.
    """
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.export.systems.mm_discriminative.training import (
        DISCRIMINATIVE_TRAINING,
        DiscriminativeSettings,
        train_discriminative,
    )

    with resumable():
        origin = train_discriminative(
            data,
            checkpoint,
            output,
            DiscriminativeSettings(unfreeze),
            changed(DISCRIMINATIVE_TRAINING, epochs, batch, learning_rate, weight_decay, seed, accumulate),
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
    typer.echo(f"{output}: mm-discriminative-{origin.unfreeze}")
    given = f"--weights {output} --checkpoint {checkpoint}"
    typer.echo(f"Next: asd-edge export mm-discriminative {given} --output {output.with_suffix('.onnx')}")


def export_mm_discriminative(
    weights: Annotated[Path, typer.Option("--weights", help="What `asd-edge train mm-discriminative` wrote.")],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="The BEATs checkpoint that training began from.")],
    output: Output,
    target: Annotated[
        str, typer.Option("--target", help="Where it will run: cpu, or cuda, also for TensorRT and OpenVINO.")
    ] = "cpu",
) -> None:
    """BEATs, Tgram and the spectrogram fused into one embedding, as they were trained."""
    from asd_edge.export.systems.mm_discriminative.model import export_discriminative

    show(export_discriminative(weights, checkpoint, output, target), output)
