"""`asd-edge listen`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from asd_edge.runtime.commands.options import (
    BankPath,
    CacheOption,
    ChannelOption,
    DeviceOption,
    ModelOption,
    ProviderOption,
    ThreadsOption,
    open_model,
)


def listen(
    bank: BankPath,
    device: DeviceOption = None,
    input: Annotated[  # noqa: A002  the option's name
        list[Path] | None, typer.Option("--input", help="A sound file or folder instead of a microphone; repeatable.")
    ] = None,
    model: ModelOption = "logmel",
    hop: Annotated[float, typer.Option("--hop", help="Seconds between windows.")] = 10.0,
    channel: ChannelOption = None,
    alarm: Annotated[
        str,
        typer.Option(
            "--alarm", help="k/n: on after k anomalous of the last n windows, off after k normal ones in a row."
        ),
    ] = "3/5",
    false_alarms_per_day: Annotated[
        float, typer.Option("--false-alarms-per-day", help="How many false alarms are bearable; sets the threshold.")
    ] = 1.0,
    percentile: Annotated[
        float | None, typer.Option("--percentile", help="Set the threshold by percentile of normal windows instead.")
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Play files at the pace they were recorded at.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, and nothing else.")] = False,
    provider: ProviderOption = "auto",
    threads: ThreadsOption = 0,
    cache: CacheOption = True,
) -> None:
    """Listen to a machine and tell when its sound changes.

    Without --device and --input, the microphone that the bank was enrolled with is used.
    """
    from asd_edge.calibration.alarm import AlarmRule
    from asd_edge.calibration.bank import load_bank
    from asd_edge.calibration.clips import parse_channel
    from asd_edge.runtime.commands.sources import open_source
    from asd_edge.runtime.explain import explain_threshold
    from asd_edge.runtime.listening import ListenSettings
    from asd_edge.runtime.listening import listen as listen_to
    from asd_edge.runtime.sinks import JsonLines, Sink, Terminal

    loaded = load_bank(bank)
    heard = parse_channel(channel or loaded.info.channel)
    settings = ListenSettings(hop, heard, AlarmRule.parse(alarm), false_alarms_per_day, percentile)
    embedder = open_model(model, provider, threads, cache)
    loaded.check_model(embedder.sha256, embedder.description)
    explained = explain_threshold(settings.threshold(loaded), settings, loaded)
    source = open_source(device, input, heard, loaded.info.device, realtime)
    machine = loaded.info.name or bank.name
    where = embedder.placement if len(embedder.nodes) > 1 else embedder.provider
    heading = f"{machine}: {source.name}, {embedder.description} on {where}"
    live = not input
    sink: Sink = JsonLines(explained, live) if json else Terminal("\n".join([heading, *explained.words]), live)
    interrupted = False
    try:
        for item in listen_to(source, embedder, loaded, settings):
            sink.show(item)
    except KeyboardInterrupt:
        interrupted = True
    sink.end(getattr(source, "late_callbacks", 0))
    if interrupted:
        sys.exit(130)
