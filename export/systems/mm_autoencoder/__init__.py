"""The multi-modal autoencoder of [MM], with BEATs or on the log-mel spectrogram alone: its training and its export."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.beats.feature_settings import FeatureTrainSettings
from asd_edge.export.training.job import ExportSettings, Job, Preparation, System

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo


@settings(kw_only=True)
class MmAutoencoderLosses:
    """The weights of the losses."""

    identity_weight: Annotated[
        float,
        Setting(
            "The weight alpha of telling the machine, equation (4) of [MM], which gives no value: the errors of "
            "rebuilding end near 0.3, the cross-entropy begins at the logarithm of the number of machines.",
            at_least=0.0,
            at_most=1e6,
        ),
    ] = 0.1


@settings(kw_only=True)
class MmAutoencoderSettings(FeatureTrainSettings, MmAutoencoderLosses):
    """One autoencoder for all machines, that hears BEATs or the log-mel spectrogram, and the waveform.

    [MM], section 3.1, has 50 epochs, a learning rate of 0.001 and a batch of 2048. It does not say of what; here they
    are frames, of which a window of 10 s has 313, so that 7 windows have 2191. Where the report is silent, this is Adam
    with a learning rate that falls to zero.
    """

    checkpoint: Annotated[
        Path | None,
        Setting("The path of a BEATs checkpoint as Microsoft publishes it, such as BEATs_iter3.pt; it stays as it is."),
    ] = None
    without_beats: Annotated[
        bool, Setting("Whether the log-mel spectrogram takes the place of BEATs: a model under 10 MB.")
    ] = False
    epochs: int = 50
    batch: int = 7
    learning_rate: float = 1e-3
    falling: bool = True

    def __post_init__(self) -> None:
        of_beats = {"--checkpoint": self.checkpoint, "--features": self.features, "--layers": self.layers}
        given = [f"{option} {value}" for option, value in of_beats.items() if value is not None]
        if self.without_beats and given:
            raise InputError(
                "Without BEATs there is nothing to do for its options.",
                got=f"--without-beats and {given[0]}",
                valid="--checkpoint FILE, or --without-beats alone",
                next_step="leave one of them away",
            )
        if self.checkpoint is None and not self.without_beats:
            raise InputError(
                "The system takes a BEATs checkpoint, or does without BEATs.",
                got="neither --checkpoint nor --without-beats",
                valid="one of them",
                next_step="try --without-beats for a small model",
            )
        from asd_edge.export.systems.mm_autoencoder.model import SHORTEST_SAMPLES

        self.require_samples(SHORTEST_SAMPLES, "two latent codes")

    def jobs(self, preparation: Preparation) -> Iterator[Job]:
        """The training of one autoencoder for all machines."""
        from asd_edge.export.systems.mm_autoencoder.training import jobs

        return jobs(self, preparation)

    def variant(self) -> str:
        """The suffix that says that BEATs was not heard, where it was not."""
        return "-without-beats" if self.without_beats else ""

    def next_command(self) -> str:
        """The export of these weights."""
        checkpoint = f" --checkpoint {self.checkpoint}" if self.checkpoint else ""
        output = self.output.with_suffix(".onnx")
        return f"export mm-autoencoder --weights {self.output}{checkpoint} --output {output}"


@settings(kw_only=True)
class MmAutoencoderExport(ExportSettings):
    """The autoencoder of several modalities: how badly it rebuilds a window, and its latent code."""

    weights: Annotated[Path, Setting("The path of the weights that `asd-edge train mm-autoencoder` wrote.")]
    output: Annotated[Path, Setting("The path of the .onnx file to write.")]
    checkpoint: Annotated[
        Path | None, Setting("The path of the BEATs checkpoint that it was trained with, if it was.")
    ] = None
    target: Annotated[
        str, Setting("The processor that BEATs will run on: cpu, or cuda, also for TensorRT and OpenVINO.")
    ] = "cpu"
    error: Annotated[
        str,
        Setting("The error of a window: the mean of its frames, the max of them, or the mean of the top tenth."),
    ] = "mean"

    def write(self) -> "Iterable[tuple[ModelInfo, Path]]":
        """Write the model file."""
        from asd_edge.export.onnx_file import export_model
        from asd_edge.export.systems.mm_autoencoder.model import build_mm_autoencoder

        built = build_mm_autoencoder(self.weights, self.checkpoint, self.target, self.error)
        yield export_model(*built, self.output), self.output


SYSTEM = System(train=MmAutoencoderSettings, export=MmAutoencoderExport)
