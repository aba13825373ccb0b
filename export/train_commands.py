"""`asd-edge train`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asd_edge.export.training import TrainSettings

train = typer.Typer(no_args_is_help=True, help="Train a system from normal sound (needs the 'train' extra).")

Data = Annotated[Path, typer.Option("--data", help="Folder in the layout of DCASE Task 2; `train` is learned from.")]
Window = Annotated[float, typer.Option("--window", help="Length of the window in seconds.")]
ChannelOption = Annotated[str, typer.Option("--channel", help="Channel of the sound files from 1, or mix.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes through the data. Default: 20, fs-ae 100.")]
Batch = Annotated[
    int | None, typer.Option("--batch", help="Samples in a step, over all processes. Default: 64, fs-ae 256.")
]
LearningRate = Annotated[
    float | None, typer.Option("--learning-rate", help="Of AdamW, at the beginning. Default: 0.001.")
]
WeightDecay = Annotated[float | None, typer.Option("--weight-decay", help="Of AdamW. Default: 0.01, fs-ae 0.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the first weights and the order of the samples.")]
Accelerator = Annotated[str, typer.Option("--accelerator", help="cpu, cuda, or auto: CUDA where there is some.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped, with the same options.")]
SkipDamaged = Annotated[bool, typer.Option("--skip-damaged", help="Leave out clips that cannot be read.")]


@train.command("beats-asp-type", help="Attentive pooling for BEATs, trained to tell machine types apart.")
@train.command("beats-asp", help="Attentive pooling for BEATs, trained to tell machine types and attributes apart.")
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
    processes: Annotated[int, typer.Option("--processes", help="Train on so many GPUs at once.")] = 1,
    workers: Annotated[int, typer.Option("--workers", help="Processes that read features ahead.")] = 0,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Train a head for `asd-edge export beats --pooling asp`."""
    from asd_edge.calibration.clips import parse_channel
    from asd_edge.export.asp_training import ASP_TRAINING, WITH_ATTRIBUTES, AspSettings, train_asp

    with _resumable():
        origin = train_asp(
            data,
            checkpoint,
            output,
            AspSettings(attributes=context.info_name == WITH_ATTRIBUTES),
            _changed(ASP_TRAINING, epochs, batch, learning_rate, weight_decay, seed),
            features=features,
            layers=layers,
            window_s=window,
            channel=parse_channel(channel),
            accelerator=accelerator,
            processes=processes,
            workers=workers,
            resume=resume,
            skip_damaged=skip_damaged,
            tell=_tell,
        )
    if origin is None:
        return  # one of several processes
    same = [
        option for option, given in ((f"--layers {layers}", layers), (f"--window {window:g}", window != 10.0)) if given
    ]
    typer.echo(f"{output}: {origin.system}")
    options = [f"--checkpoint {checkpoint}", "--pooling asp", f"--head {output}", *same]
    typer.echo(f"Next: asd-edge export beats {' '.join(options)} --output {output.with_suffix('.onnx')}")


@train.command("fs-ae", help="The first-shot autoencoder, one for each machine.")
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
    from asd_edge.calibration.clips import parse_channel
    from asd_edge.export.autoencoder_training import FS_AE_TRAINING, train_autoencoders

    with _resumable():
        written = train_autoencoders(
            data,
            output,
            _changed(FS_AE_TRAINING, epochs, batch, learning_rate, weight_decay, seed),
            machines=machine or (),
            window_s=window,
            channel=parse_channel(channel),
            accelerator=accelerator,
            resume=resume,
            skip_damaged=skip_damaged,
            tell=_tell,
        )
    typer.echo(f"{', '.join(map(str, written))}: fs-ae")
    typer.echo(f"Next: asd-edge export fs-ae --weights {output} --output {output}")


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        _tell("stopped: the same command with --resume goes on after the last whole epoch")
        raise


def _changed(
    settings: TrainSettings,
    epochs: int | None,
    batch: int | None,
    learning_rate: float | None,
    weight_decay: float | None,
    seed: int,
) -> TrainSettings:
    """A system's own settings with what the options change."""
    given = {"epochs": epochs, "batch": batch, "learning_rate": learning_rate, "weight_decay": weight_decay}
    return replace(settings, seed=seed, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # each of its field's type


def _tell(what: str) -> None:
    typer.echo(what, err=True)
