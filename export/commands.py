"""`asd-edge export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

export = typer.Typer(no_args_is_help=True, help="Make a model file for the device (needs the 'export' extra).")


@export.callback()
def _export() -> None:
    """Keep `export` a group: one recipe a command."""


@export.command()
def logmel(
    output: Annotated[Path, typer.Option("--output", help="The .onnx file to write.")],
) -> None:
    """The model inside the package: statistics of the log-mel spectrogram, no training."""
    from asd_edge.export.logmel import build
    from asd_edge.export.onnx_file import export_model

    info = export_model(*build(), output)
    print(f"{output}: {info.recipe}, {info.window_s:g} s window, {info.dimensions} dimensions, parity {info.parity}")  # noqa: T201
