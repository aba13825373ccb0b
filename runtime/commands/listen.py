"""`asd-edge listen`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd_edge.runtime.commands.options import CacheOption, ChannelOption, ProviderOption, ThreadsOption

if TYPE_CHECKING:
    from asd_edge.runtime.pipeline.listening import Machine


def listen(
    bank: Annotated[list[Path], typer.Option("--bank", help="The bank of a machine, such as pump.npz; repeatable.")],
    device: Annotated[
        list[str] | None,
        typer.Option("--device", help="Microphone: part of its name, or its index; with several --bank, one for each."),
    ] = None,
    input: Annotated[  # noqa: A002  the option's name
        list[str] | None,
        typer.Option(
            "--input", help="A sound file or folder instead; repeatable, and with several --bank one for each."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="An .onnx file, or 'logmel' for the model inside the package; repeatable where banks are of several.",
            show_default="logmel",
        ),
    ] = None,
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
    """Listen to machines and tell when their sound changes.

    Without --device and --input, the microphones that the banks were enrolled with are used. Several machines take a
    --bank each, and share the model.
    """
    from asd_edge.calibration.alarm import AlarmRule
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.runtime.inference.model import DEFAULT_MODEL
    from asd_edge.runtime.pipeline.listening import ListenSettings
    from asd_edge.runtime.pipeline.listening import listen as listen_to
    from asd_edge.runtime.pipeline.machines import open_machines, wanted_machines
    from asd_edge.runtime.sinks.sink import JsonLines, Sink, Terminal

    wanted = wanted_machines(bank, device or [], input or [])
    heard = parse_channel(channel) if channel else None
    settings = ListenSettings(hop, heard, AlarmRule.parse(alarm), false_alarms_per_day, percentile)
    machines = open_machines(wanted, model or [DEFAULT_MODEL], settings, realtime, provider, threads, cache)
    live, names = not input, [machine.name for machine in machines]
    sink: Sink = JsonLines(machines, live) if json else Terminal("\n\n".join(map(_heading, machines)), names, live)
    interrupted = False
    try:
        for item in listen_to(machines):
            sink.show(item)
    except KeyboardInterrupt:
        interrupted = True
    sink.end({machine.name: machine.source.late_blocks for machine in machines})
    if interrupted:
        sys.exit(130)


def _heading(machine: Machine) -> str:
    from asd_edge.runtime.reports.enrolment_text import explain_threshold

    model = machine.model
    where = model.placement if len(model.nodes) > 1 else model.provider
    return "\n".join(
        [f"{machine.name}: {machine.source.name}, {model.description} on {where}", *explain_threshold(machine).words]
    )
