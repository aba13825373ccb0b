"""`asd-edge enroll`."""

from __future__ import annotations

import math
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


def enroll(
    bank: BankPath,
    device: DeviceOption = None,
    input: Annotated[  # noqa: A002  the option's name
        list[str] | None, typer.Option("--input", help="A sound file or folder instead of a microphone; repeatable.")
    ] = None,
    model: ModelOption = "logmel",
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Of sound to take; default: 10 from a microphone, all from files.")
    ] = None,
    hop: Annotated[float, typer.Option("--hop", help="Seconds between windows.")] = 10.0,
    channel: ChannelOption = None,
    name: Annotated[str, typer.Option("--name", help='The machine, as people call it: "pump 3".')] = "",
    append: Annotated[
        bool, typer.Option("--append", help="Add to the bank: go on after a stop, or learn another load or season.")
    ] = False,
    keep_audio: Annotated[
        Path | None,
        typer.Option("--keep-audio", help="Folder to keep the sound in as FLAC, to enroll a new model from."),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            "--scorer",
            help="How windows are compared with normal ones: nearest, nearest-ldn, mahalanobis, gmm, reconstruction or "
            "reconstruction+mahalanobis; default: as in the bank with --append, else what the model was made for.",
        ),
    ] = None,
    max_references: Annotated[
        int | None,
        typer.Option("--max-references", help="Keep at most so many windows to compare with; default: all."),
    ] = None,
    provider: ProviderOption = "auto",
    threads: ThreadsOption = 0,
    cache: CacheOption = True,
) -> None:
    """Learn what a machine sounds like when it is well.

    Ctrl-C ends it early and keeps what was heard; --append goes on.
    """
    from asd_edge.calibration.audio.channels import parse_channel
    from asd_edge.calibration.bank.bank import load_bank
    from asd_edge.runtime.pipeline.enroll_settings import EnrollSettings
    from asd_edge.runtime.pipeline.enrolling import enroll as enroll_machine
    from asd_edge.runtime.reports.enroll_view import EnrollView
    from asd_edge.runtime.reports.enrolment_text import explain_enrolment
    from asd_edge.runtime.sources.opening import open_source

    embedder = open_model(model, provider, threads, cache)
    known = load_bank(bank).info if append and bank.is_file() else None
    heard = parse_channel(channel or (known.channel if known else "1"))
    source = open_source(device, input or [], heard, remembered=known.device if known else "")
    if minutes is None and math.isinf(source.duration_s):
        minutes = 10.0
    settings = EnrollSettings(bank, hop, heard, minutes, name, append, keep_audio, scorer, max_references)
    with EnrollView(source) as view:
        report = enroll_machine(source, embedder, settings, view.show)
    view.console.print(explain_enrolment(report), soft_wrap=True, markup=False)
    if report.interrupted:
        sys.exit(130)
    if not report.bank.ready:
        raise report.bank.why_not_ready
