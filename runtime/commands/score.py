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
    from asd_edge.calibration.bank import load_bank
    from asd_edge.calibration.clips import parse_channel
    from asd_edge.runtime.listening import score_files
    from asd_edge.runtime.sinks import JsonLines, Sink, Terminal

    scored = score_files(
        paths,
        open_model(model, provider, threads, cache),
        load_bank(bank),
        hop,
        parse_channel(channel) if channel else None,
        percentile,
    )
    above = f"one normal window in {100 / (100 - percentile):.3g} lies above it"
    sink: Sink = JsonLines() if json else Terminal(f"Threshold: {percentile:g}th percentile; {above}.")
    for item in scored:
        sink.show(item)
    sink.end()
