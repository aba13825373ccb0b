"""Options that the commands under `asd-edge export` share, and how they say what they wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo

Output = Annotated[Path, typer.Option("--output", help="The .onnx file to write.")]


def show(info: ModelInfo, output: Path) -> None:
    """Say what was written, with its certificate."""
    made_for = "" if info.target == "any" else f" for {info.target}"
    what = f"{info.recipe}, {info.window_s:g} s window, {info.dimensions} dimensions, {info.precision}{made_for}"
    typer.echo(f"{output}: {what}")
    typer.echo(f"ONNX Runtime against PyTorch in fp32, on {info.parity_clips}:")
    for name, value in info.parity.items():
        typer.echo(f"  {name.replace('_', ' ')} {value:g}")
