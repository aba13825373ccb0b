"""Options that the commands under `asd-edge train` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asd_edge.export.training.trainer import TrainSettings

Data = Annotated[Path, typer.Option("--data", help="Folder in the layout of DCASE Task 2; `train` is learned from.")]
Window = Annotated[float, typer.Option("--window", help="Length of the window in seconds.")]
ChannelOption = Annotated[str, typer.Option("--channel", help="Channel of the sound files from 1, or mix.")]
Epochs = Annotated[
    int | None, typer.Option("--epochs", help="Passes through the data; each system has its own default.")
]
Batch = Annotated[
    int | None, typer.Option("--batch", help="Samples in a step, over all processes; each system has its own default.")
]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", help="Of AdamW, at the beginning.")]
WeightDecay = Annotated[float | None, typer.Option("--weight-decay", help="Of AdamW.")]
Accumulate = Annotated[
    int, typer.Option("--accumulate", help="Compute a step in so many parts, in so many times less memory.")
]
MixedPrecision = Annotated[
    bool, typer.Option("--mixed-precision", help="Compute products in bfloat16: on a GPU that can.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of the first weights and the order of the samples.")]
Accelerator = Annotated[str, typer.Option("--accelerator", help="cpu, cuda, or auto: CUDA where there is some.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped, with the same options.")]
SkipDamaged = Annotated[bool, typer.Option("--skip-damaged", help="Leave out clips that cannot be read.")]
Processes = Annotated[int, typer.Option("--processes", help="Train on so many GPUs at once.")]
Workers = Annotated[int, typer.Option("--workers", help="Processes that read samples ahead.")]


@contextmanager
def resumable() -> Iterator[None]:
    """Say how a run that is stopped goes on."""
    try:
        yield
    except KeyboardInterrupt:
        tell("stopped: the same command with --resume goes on after the last whole epoch")
        raise


def changed(
    settings: TrainSettings,
    epochs: int | None,
    batch: int | None,
    learning_rate: float | None,
    weight_decay: float | None,
    seed: int,
    accumulate: int = 1,
) -> TrainSettings:
    """A system's own settings with what the options change."""
    given = {"epochs": epochs, "batch": batch, "learning_rate": learning_rate, "weight_decay": weight_decay}
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(settings, seed=seed, accumulate=accumulate, **changes)  # type: ignore[arg-type]  # each of its type


def tell(what: str) -> None:
    """Say what is being done."""
    typer.echo(what, err=True)
