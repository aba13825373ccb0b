"""The command `asd-edge export`: the models that are made, each with the options of its own settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from asd_edge.calibration.console import say
from asd_edge.calibration.wording import visible
from asd_edge.export.commands.systems_group import systems_group
from asd_edge.export.training.job import ExportSettings

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo


def _export(_: str, chosen: ExportSettings) -> None:
    for info, path in chosen.write():
        _show(info, path)


def _show(info: ModelInfo, output: Path) -> None:
    """Say what was written, with its certificate."""
    made_for = "" if info.target == "any" else f" for {info.target}"
    what = f"{info.recipe}, {info.window_s:g} s window, {info.dimensions} dimensions, {info.precision}{made_for}"
    say(f"{visible(output)}: {visible(what)}")
    say(f"ONNX Runtime against PyTorch in fp32, on {visible(info.parity_clips)}:")
    for name, value in info.parity.items():
        say(f"  {name.replace('_', ' ')} {value:g}")


export = systems_group("export", _export, help="Make a model file for the device (needs the 'export' extra).")
