"""`asd-edge train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd_edge.export.commands.augment import separator
from asd_edge.export.commands.mm_autoencoder import train_mm_autoencoder
from asd_edge.export.commands.mm_discriminative import train_mm_discriminative
from asd_edge.export.commands.train_options import (
    Accelerator,
    Batch,
    ChannelOption,
    Data,
    Epochs,
    LearningRate,
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

train = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Train a system from normal sound (needs the 'train' extra)."
)
train.command("mm-discriminative")(train_mm_discriminative)
train.command("mm-autoencoder")(train_mm_autoencoder)
train.command("separator")(separator)
_FS_AE_DEFAULTS = "Default: 100 epochs of batches of 256, learning rate 0.001."
_ASP_DEFAULTS = "Default: 20 epochs of batches of 64, learning rate 0.001 that falls to zero, weight decay 0.01."


@train.command(
    "beats-asp-type", help=f"Attentive pooling for BEATs, learned by telling machine types apart. {_ASP_DEFAULTS}"
)
@train.command("beats-asp", help=f"The same, by telling types and their attributes apart. {_ASP_DEFAULTS}")
def beats_asp(
    context: typer.Context,
    data: Data,
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="BEATs_iter3.pt, as Microsoft publishes it.")],
    output: Annotated[Path, typer.Option("--output", help="The trained head to write, a .pt file.")],
    features: Annotated[
        Path | None, typer.Option("--features", help="Folder for patch features; by default beside the output.")
    ] = None,
    layers: Annotated[int | None, typer.Option("--layers", help="Keep the first so many encoder layers.")] = None,
    window: Window = 10.0,
    channel: ChannelOption = "1",
    epochs: Epochs = None,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    seed: Seed = 0,
    accelerator: Accelerator = "auto",
    processes: Processes = 1,
    workers: Workers = 0,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Train a head for `asd-edge export beats --pooling asp`."""
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.export.systems.beats_asp import ASP_TRAINING, WITH_ATTRIBUTES, AspSettings, train_asp

    with resumable():
        origin = train_asp(
            data,
            checkpoint,
            output,
            AspSettings(attributes=context.info_name == WITH_ATTRIBUTES),
            changed(ASP_TRAINING, epochs, batch, learning_rate, weight_decay, seed),
            features=features,
            layers=layers,
            window_s=window,
            channel=parse_channel(channel),
            accelerator=accelerator,
            processes=processes,
            workers=workers,
            resume=resume,
            skip_damaged=skip_damaged,
            tell=tell,
        )
    if origin is None:
        return  # one of several processes
    same = [
        option for option, given in ((f"--layers {layers}", layers), (f"--window {window:g}", window != 10.0)) if given
    ]
    typer.echo(f"{output}: {origin.system}")
    options = [f"--checkpoint {checkpoint}", "--pooling asp", f"--head {output}", *same]
    typer.echo(f"Next: asd-edge export beats {' '.join(options)} --output {output.with_suffix('.onnx')}")


@train.command("fs-ae", help=f"The first-shot autoencoder, one for each machine. {_FS_AE_DEFAULTS}")
def fs_ae(
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="Folder for the trained autoencoders, <machine>.pt.")],
    machine: Annotated[list[str] | None, typer.Option("--machine", help="Only this one; can be repeated.")] = None,
    window: Window = 10.0,
    channel: ChannelOption = "1",
    epochs: Epochs = None,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    seed: Seed = 0,
    accelerator: Accelerator = "auto",
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Train weights for `asd-edge export fs-ae`."""
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.export.systems.fs_ae.training import FS_AE_TRAINING, train_autoencoders

    with resumable():
        written = train_autoencoders(
            data,
            output,
            changed(FS_AE_TRAINING, epochs, batch, learning_rate, weight_decay, seed),
            machines=machine or (),
            window_s=window,
            channel=parse_channel(channel),
            accelerator=accelerator,
            resume=resume,
            skip_damaged=skip_damaged,
            tell=tell,
        )
    typer.echo(f"{', '.join(map(str, written))}: fs-ae")
    typer.echo(f"Next: asd-edge export fs-ae --weights {output} --output {output}")
