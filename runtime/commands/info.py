"""`asd-edge info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def info(
    file: Annotated[Path, typer.Argument(help="A model (.onnx, or 'logmel') or a bank (.npz).")],
) -> None:
    """Say what a model or a bank is."""
    from asd_edge.runtime.reports.info import describe

    lines = describe(file)
    width = max(len(label) for label, _ in lines)
    for label, text in lines:
        print(f"{label:<{width}}  {text}")  # noqa: T201
