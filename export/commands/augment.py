"""`asd-edge train separator` and `asd-edge augment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd_edge.export.commands.train_options import (
    Accelerator,
    Batch,
    ChannelOption,
    Data,
    Epochs,
    LearningRate,
    Resume,
    SkipDamaged,
    WeightDecay,
    Workers,
    changed,
    resumable,
    tell,
)

SnrMin = Annotated[float, typer.Option("--snr-min", help="Least ratio of foreground to background, in decibels.")]
SnrMax = Annotated[float, typer.Option("--snr-max", help="Greatest ratio of foreground to background, in decibels.")]


def separator(
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Folder in the layout of DCASE Task 2; `supplemental` and `train` are learned from."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="The trained separator to write, a .pt file.")],
    size: Annotated[str, typer.Option("--size", help="small, for a CPU, or paper, for a GPU.")] = "small",
    steady: Annotated[
        str,
        typer.Option(
            "--steady",
            help="What is steady in a clip, where no supplemental recording has it alone: the background (beside slide "
            "rails, valves), or the machine (fans, pumps).",
        ),
    ] = "background",
    mixtures: Annotated[int, typer.Option("--mixtures", help="Mixtures in an epoch.")] = 2000,
    segment: Annotated[float, typer.Option("--segment", help="Length of a mixture in seconds.")] = 2.0,
    snr_min: SnrMin = -10.0,
    snr_max: SnrMax = 10.0,
    channel: ChannelOption = "1",
    epochs: Epochs = None,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the first weights, the mixtures and their order.")] = 0,
    accelerator: Accelerator = "auto",
    workers: Workers = 0,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """A separator of machine and surroundings, for `asd-edge augment`.

    Default: 10 epochs of batches of 8, learning rate 0.001 that falls to zero, weight decay 0.01.
    """
    from asd_edge.calibration.atomic_files import check_writable
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.calibration.audio.damaged_clips import DamagedClips
    from asd_edge.export.separation.mixtures import MixSettings, SnrRange, find_sources
    from asd_edge.export.separation.separator import size_named
    from asd_edge.export.separation.training import SEPARATOR_TRAINING, train_separator

    training = changed(SEPARATOR_TRAINING, epochs, batch, learning_rate, weight_decay, seed)
    mixing = MixSettings(mixtures, segment, SnrRange(snr_min, snr_max), seed)
    sizes = size_named(size)
    heard = parse_channel(channel)
    check_writable(output)
    tell(f"reading {data}")
    with resumable():
        train_separator(
            find_sources(data, steady, heard, DamagedClips(skip_damaged)),
            output,
            sizes,
            mixing,
            training,
            channel=heard,
            accelerator=accelerator,
            workers=workers,
            resume=resume,
            tell=tell,
        )
    typer.echo(f"{output}: separator, {size}")
    typer.echo(f"Next: asd-edge augment --data {data} --separator {output} --output {data.name}-augmented")


def augment(
    data: Data,
    separator: Annotated[Path, typer.Option("--separator", help="What `asd-edge train separator` wrote.")],
    output: Annotated[Path, typer.Option("--output", help="The folder to make, in the same layout.")],
    copies: Annotated[int, typer.Option("--copies", help="New clips for each that there is.")] = 1,
    snr_min: SnrMin = -6.0,
    snr_max: SnrMax = 6.0,
    mixup: Annotated[
        float,
        typer.Option("--mixup", help="How often a foreground of the other domain is mixed into the first, 0 to 1."),
    ] = 0.0,
    backgrounds: Annotated[
        str, typer.Option("--backgrounds", help="Of other clips of any machine, or of the same machine.")
    ] = "any",
    originals: Annotated[
        str, typer.Option("--originals", help="How the clips that there are come along: link, copy or none.")
    ] = "link",
    channel: ChannelOption = "1",
    seed: Annotated[int, typer.Option("--seed", help="Of what is combined with what, and how.")] = 0,
    accelerator: Accelerator = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on after a stop, with the same options.")] = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Make new training clips: foregrounds over the backgrounds of other clips (needs the 'train' extra)."""
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.export.separation.augmentation import AugmentSettings
    from asd_edge.export.separation.augmented_data import TABLE
    from asd_edge.export.separation.augmented_data import augment as make
    from asd_edge.export.separation.mixtures import SnrRange

    settings = AugmentSettings(copies, SnrRange(snr_min, snr_max), mixup, backgrounds, originals, seed)
    try:
        made = make(
            data,
            separator,
            output,
            settings,
            channel=parse_channel(channel),
            accelerator=accelerator,
            resume=resume,
            skip_damaged=skip_damaged,
        )
    except KeyboardInterrupt:
        tell("stopped: the same command with --resume goes on with the next clip")
        raise
    typer.echo(f"{output}: {made.made} new clips beside {made.originals}; {output / TABLE} says what they are made of")
    typer.echo(f"Next: asd-edge train ... --data {output}")
