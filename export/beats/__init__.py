"""BEATs, the encoder that the best published systems hear with, and its export: checkpoint, poolings, precisions."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.training.job import ExportSettings, System

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo


@settings
class BeatsExport(ExportSettings):
    """BEATs with a pooling: the encoder that the best published systems hear with."""

    checkpoint: Annotated[
        Path, Setting("The path of a BEATs checkpoint as Microsoft publishes it, such as BEATs_iter3.pt.")
    ]
    output: Annotated[Path, Setting("The path of the .onnx file to write.")]
    pooling: Annotated[
        str, Setting("The way from patches to one embedding: mean, stats, asp, rdp, gem or rdp-gem.")
    ] = "rdp-gem"
    head: Annotated[Path | None, Setting("The path of the trained weights of the pooling asp.")] = None
    layers: Annotated[
        int | None,
        Setting(
            "The number of encoder layers to keep, from the first; half is half the cost.",
            default="all",
            at_least=1,
            at_most=1000,
        ),
    ] = None
    window_s: Annotated[float, Setting("The length of the window in seconds.", above=0.0, at_most=3600.0)] = 10.0
    precision: Annotated[
        str,
        Setting("The number format of the large products: fp32; int8, twice as fast on a CPU; or fp16, for a GPU."),
    ] = "fp32"
    calibration: Annotated[
        Path | None,
        Setting("The folder of recordings to round by and to compare on.", default="sound is generated"),
    ] = None
    target: Annotated[
        str | None,
        Setting(
            "The processor that it will run on: cpu, or cuda, also for TensorRT and OpenVINO.",
            default="the precision decides",
        ),
    ] = None
    mel_blocks: Annotated[
        str,
        Setting(
            "The mel blocks of a time before they are pooled: apart, or after average or concatenate, which gives "
            "eight times the dimensions.",
        ),
    ] = "apart"

    def write(self) -> "Iterable[tuple[ModelInfo, Path]]":
        """Write the model file."""
        from asd_edge.export.beats.export import export_beats

        yield export_beats(self), self.output


SYSTEM = System(export=BeatsExport)
