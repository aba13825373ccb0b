"""The first-shot autoencoder of the DCASE baseline [FS-AE], one model for each machine: its training and its export."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.training.job import ExportSettings, Job, Preparation, System
from asd_edge.export.training.settings import WindowedTrainSettings

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo


@settings(kw_only=True)
class FsAeSettings(WindowedTrainSettings):
    """The first-shot autoencoder, one for each machine.

    The defaults are those of the authors' program: Adam, and the vectors of all clips shuffled. Their program keeps a
    tenth of the vectors apart, to watch the loss of these.
    """

    output_is_folder: ClassVar[bool] = True
    output: Annotated[Path, Setting("The folder for the trained autoencoders, one <machine>.pt each.")]
    machines: Annotated[
        tuple[str, ...],
        Setting("The name of a machine to train for; it can be repeated.", option="--machine", default="all machines"),
    ] = ()
    epochs: int = 100
    batch: int = 256
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        from asd_edge.export.systems.fs_ae.model import SHORTEST_SAMPLES

        self.require_samples(SHORTEST_SAMPLES, "the frames of one vector")

    def jobs(self, preparation: Preparation) -> Iterator[Job]:
        """The training of an autoencoder for each machine."""
        from asd_edge.export.systems.fs_ae.training import jobs

        return jobs(self, preparation)

    def next_command(self) -> str:
        """The export of all these autoencoders."""
        return f"export fs-ae --weights {self.output} --output {self.output}"


@settings(kw_only=True)
class FsAeExport(ExportSettings):
    """The first-shot autoencoder, a model for each machine."""

    weights: Annotated[
        Path, Setting("The file of one machine that `asd-edge train fs-ae` wrote, or the folder with the files of all.")
    ]
    output: Annotated[Path, Setting("The .onnx file to write; for a folder of weights, the folder for the models.")]
    score: Annotated[
        str,
        Setting("The error of a window: mse, or mahalanobis, the smaller distance of the residuals to either domain."),
    ] = "mse"

    def write(self) -> "Iterable[tuple[ModelInfo, Path]]":
        """Write a model file for each file of weights."""
        from asd_edge.export.onnx_file import export_model
        from asd_edge.export.systems.fs_ae.model import build_fs_ae, model_paths

        for trained, model in model_paths(self.weights, self.output):
            yield export_model(*build_fs_ae(trained, self.score), model), model


SYSTEM = System(train=FsAeSettings, export=FsAeExport)
