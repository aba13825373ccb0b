"""A trained system: its options, and what it trains and exports."""

from pathlib import Path
from typing import Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.training.job import ExportSettings, Job, System
from asd_edge.export.training.settings import WindowedTrainSettings


@settings(kw_only=True)
class LevelSettings(WindowedTrainSettings):
    """A network that tells the level of a window."""

    epochs: int = 5
    batch: int = 8
    learning_rate: float = 1e-2

    def jobs(self, preparation):
        import torch  # what computes is imported when something is trained, so that help is quick

        from stranger.level.model import LevelNetwork, Windows

        clips = preparation.all_clips()
        windows = Windows([each.clip.path for each in clips], self.samples, self.channel)
        provenance = preparation.provenance("level", {"samples": self.samples}, clips)

        def write(module):
            torch.save(module.state_dict(), self.output)

        yield Job("level", self.output, provenance, windows, LevelNetwork, write)


@settings(kw_only=True)
class LevelExport(ExportSettings):
    """The level of a window as an embedding."""

    weights: Annotated[Path, Setting("The path of the weights that `asd-edge train level` wrote.")]
    output: Annotated[Path, Setting("The path of the .onnx file to write.")]

    def write(self):
        import torch

        from asd_edge.calibration.contract.model_info import ModelInfo
        from asd_edge.export.onnx_file import export_model
        from stranger.level.model import LevelNetwork

        module = LevelNetwork()
        module.load_state_dict(torch.load(self.weights, weights_only=True))
        yield export_model(module.as_model(), ModelInfo("level", 8000, 2), self.output), self.output


SYSTEM = System(train=LevelSettings, export=LevelExport)
