"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BankPath = Annotated[Path, typer.Option("--bank", help="The bank file of this machine, such as pump.npz.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="An .onnx file, or 'logmel' for the model inside the package.")
]
ProviderOption = Annotated[
    str, typer.Option("--provider", help="Where the model runs: auto, cpu, cuda, tensorrt, openvino or coreml.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", help="CPU threads of the model; 0: one per physical core.")]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="Microphone: part of its name, or its index (indices move between boots)."),
]
ChannelOption = Annotated[
    str | None,
    typer.Option("--channel", help="Channel of the source, from 1, or 'mix'; default: as enrolled, at first 1."),
]
