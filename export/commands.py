"""`asd-edge export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asd_edge.calibration.model_info import ModelInfo

export = typer.Typer(no_args_is_help=True, help="Make a model file for the device (needs the 'export' extra).")
Output = Annotated[Path, typer.Option("--output", help="The .onnx file to write.")]


@export.command()
def beats(
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="BEATs_iter3.pt, as Microsoft publishes it.")],
    output: Output,
    pooling: Annotated[
        str, typer.Option("--pooling", help="From patches to one embedding: mean, stats, asp, rdp, gem or rdp-gem.")
    ] = "rdp-gem",
    head: Annotated[Path | None, typer.Option("--head", help="Trained weights of the pooling asp.")] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", help="Keep the first so many encoder layers: half is half the cost.")
    ] = None,
    window: Annotated[float, typer.Option("--window", help="Length of the window in seconds.")] = 10.0,
) -> None:
    """BEATs with a pooling: the encoder that the best published systems hear with."""
    from asd_edge.export.embedder import build_beats
    from asd_edge.export.onnx_file import export_model

    _tell(f"reading {checkpoint}")
    module, info = build_beats(checkpoint, pooling, head, layers, window)
    _show(export_model(module, info, output, _tell), output)


@export.command()
def logmel(output: Output) -> None:
    """The model inside the package: statistics of the log-mel spectrogram, no training."""
    from asd_edge.export.logmel import build
    from asd_edge.export.onnx_file import export_model

    _show(export_model(*build(), output, _tell), output)


def _tell(what: str) -> None:
    typer.echo(f"{what} ...", err=True)


def _show(info: ModelInfo, output: Path) -> None:
    """Say what was written, with its certificate."""
    typer.echo(f"{output}: {info.recipe}, {info.window_s:g} s window, {info.dimensions} dimensions, {info.precision}")
    typer.echo("ONNX Runtime against PyTorch:")
    for name, value in info.parity.items():
        typer.echo(f"  {name.replace('_', ' ')} {value:g}")
