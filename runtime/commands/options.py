"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asd_edge.runtime.inference.model import Model

BankPath = Annotated[Path, typer.Option("--bank", help="The bank file of this machine, such as pump.npz.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="An .onnx file, or 'logmel' for the model inside the package.")
]
ProviderOption = Annotated[
    str, typer.Option("--provider", help="Where the model runs: auto, cpu, cuda, tensorrt, openvino or coreml.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", help="CPU threads of the model; 0: one per physical core.")]
CacheOption = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        help="Prepare a large model for this machine, once, in a folder beside it, and start it from there.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="Microphone: part of its name, or its index (indices move between boots)."),
]
ChannelOption = Annotated[
    str | None,
    typer.Option("--channel", help="Channel of the source, from 1, or 'mix'; default: as enrolled, at first 1."),
]


def open_model(model: str, provider: str, threads: int, cache: bool = False) -> Model:
    """Start the model of a command.

    Raises:
        ModelError: It does not start.
    """
    from asd_edge.runtime.inference.model import Model

    return Model(model, provider, threads, cache=cache)
