"""The default model, statistics of the log-mel spectrogram: its export. It needs no training."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.training.job import ExportSettings, System

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo


@settings
class LogmelExport(ExportSettings):
    """The model inside the package: statistics of the log-mel spectrogram, without training."""

    output: Annotated[Path, Setting("The path of the .onnx file to write.")]

    def write(self) -> "Iterable[tuple[ModelInfo, Path]]":
        """Write the model file."""
        from asd_edge.export.onnx_file import export_model
        from asd_edge.export.systems.logmel.model import build_logmel

        yield export_model(*build_logmel(), self.output), self.output


SYSTEM = System(export=LogmelExport)
