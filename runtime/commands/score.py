"""`asd-edge score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asd_edge.runtime.commands.options import (
    BankPath,
    CacheOption,
    ChannelOption,
    ModelOption,
    ProviderOption,
    ThreadsOption,
    open_model,
)


def score(
    paths: Annotated[list[Path], typer.Argument(help="Sound files or folders (wav, flac, ogg).")],
    bank: BankPath,
    model: ModelOption = "logmel",
    hop: Annotated[float | None, typer.Option("--hop", help="Seconds between windows; default: the window.")] = None,
    percentile: Annotated[
        float, typer.Option("--percentile", help="Of normal windows that stay under the threshold.")
    ] = 90.0,
    channel: ChannelOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    provider: ProviderOption = "auto",
    threads: ThreadsOption = 0,
    cache: CacheOption = True,
) -> None:
    """Score the windows of sound files against a bank."""
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.calibration.bank.bank import load_bank
    from asd_edge.runtime.pipeline.listening import score_files
    from asd_edge.runtime.pipeline.machines import machine_name
    from asd_edge.runtime.sinks.sink import JsonLines, Sink, Terminal

    embedder, loaded = open_model(model, provider, threads, cache), load_bank(bank)
    heard, name = parse_channel(channel) if channel else None, machine_name(loaded, bank)
    scored = score_files(paths, embedder, loaded, hop, heard, percentile, name)
    above = f"one normal window in {100 / (100 - percentile):.3g} lies above it"
    heading = f"Threshold: {percentile:g}th percentile; {above}."
    sink: Sink = JsonLines() if json else Terminal(heading, [name])
    for item in scored:
        sink.show(item)
    sink.end()
