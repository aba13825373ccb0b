"""The settings of every trainer: how the loop goes, from which data it learns, and where it writes."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from asd_edge.calibration.audio.channels import Channel, parse_channel
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings

if TYPE_CHECKING:
    from asd_edge.export.training.job import Job, Preparation


_LEAST_PARTS_OF_WARMUP = 10
"""How many times longer than its warm-up a run is at least: the 4000 steps that authors of separators use would never
end in a run of a few thousand."""

WARMUP_STEPS = Setting(
    "The number of steps over which the learning rate rises from zero; a tenth of all steps at most.",
    default="0",
    at_least=0,
    at_most=100000000,
)
CLIP_NORM = Setting(
    "The norm to which longer gradients are shortened, all weights together.",
    default="they are not shortened",
    above=0.0,
    at_most=1e6,
)
CHANNEL = Setting("The channel of the sound files, counted from 1, or mix for their mean.", parse=parse_channel)
ACCELERATOR = Setting("The processor: cpu, cuda, or auto for CUDA where there is some.")
RESUME = Setting("Whether a run that was stopped goes on; its options must be the same.")
SKIP_DAMAGED = Setting("Whether clips that cannot be read are left out.")


@settings(kw_only=True)
class LoopSettings:
    """The loop of the training: AdamW on shuffled batches of nearly equal size.

    The learning rate rises over the warm-up, and where it falls it goes to zero as half a cosine.
    """

    epochs: Annotated[int, Setting("The number of passes through the data.", at_least=1, at_most=1_000_000)]
    batch: Annotated[
        int, Setting("The largest number of samples in a step, over all processes.", at_least=2, at_most=65536)
    ]
    learning_rate: Annotated[float, Setting("The learning rate of AdamW after the warm-up.", above=0.0, at_most=1.0)]
    weight_decay: Annotated[
        float, Setting("The weight decay of AdamW; without it, AdamW is Adam.", at_least=0.0, at_most=1.0)
    ] = 0.0
    falling: Annotated[
        bool, Setting("Whether the learning rate falls to zero or stays.", option="--falling/--constant")
    ] = False
    warmup_steps: Annotated[int | None, WARMUP_STEPS] = None
    clip_norm: Annotated[float | None, CLIP_NORM] = None
    accumulate: Annotated[
        int,
        Setting(
            "The number of parts in which a step is computed, one after the other, in so many times less memory; batch "
            "normalisation looks at a part alone.",
            at_least=1,
            at_most=65536,
        ),
    ] = 1
    seed: Annotated[
        int, Setting("The seed of the first weights and of the order of the samples.", at_least=0, at_most=2**32 - 1)
    ] = 0

    def rate(self, progress: float, steps: int) -> float:
        """The learning rate of one step.

        Args:
            progress: The part of all steps that is done, 0 to 1.
            steps: The number of all steps of the run.
        """
        warmup = min(self.warmup_steps or 0, steps // _LEAST_PARTS_OF_WARMUP)
        rising = min(1.0, (progress * steps + 1.0) / warmup) if warmup else 1.0
        return self.learning_rate * rising * (0.5 + 0.5 * math.cos(math.pi * progress) if self.falling else 1.0)


@settings(kw_only=True)
class TrainSettings(LoopSettings):
    '''The data, the output and the processor of a training.

    A subclass is one system: its own options, its defaults, and its jobs.

    The first line of a subclass's documentation is the help of ``asd-edge train``. A system is one file, or one folder,
    and one entry point in the group ``asd_edge.systems``, which leads to an `asd_edge.export.training.job.System`::

        from asd_edge.calibration.settings import settings
        from asd_edge.export.training.job import Job, System
        from asd_edge.export.training.settings import WindowedTrainSettings


        @settings(kw_only=True)
        class LevelSettings(WindowedTrainSettings):
            """A network that tells the level of a window."""

            epochs: int = 5
            batch: int = 8
            learning_rate: float = 1e-2

            def jobs(self, preparation):
                import torch  # what computes is imported when something is trained, so that help is quick

                from my_package.level.model import LevelNetwork, Windows

                clips = preparation.all_clips()
                windows = Windows([each.clip.path for each in clips], self.samples, self.channel)
                provenance = preparation.provenance("level", {"samples": self.samples}, clips)

                def write(module):
                    torch.save(module.state_dict(), self.output)

                yield Job("level", self.output, provenance, windows, LevelNetwork, write)


        SYSTEM = System(train=LevelSettings)
    '''

    data: Annotated[Path, Setting("The folder of the data in the layout of DCASE Task 2; `train` is learned from.")]
    output: Annotated[Path, Setting("The path of the trained weights to write, a .pt file.")]
    channel: Annotated[Channel, CHANNEL] = 1
    accelerator: Annotated[str, ACCELERATOR] = "auto"
    processes: Annotated[
        int, Setting("The number of processes that train together, one for each GPU.", at_least=1, at_most=1024)
    ] = 1
    mixed_precision: Annotated[bool, Setting("Whether products are computed in bfloat16, on a GPU that can.")] = False
    workers: Annotated[int, Setting("The number of processes that read samples ahead.", at_least=0, at_most=1024)] = 0
    resume: Annotated[bool, RESUME] = False
    skip_damaged: Annotated[bool, SKIP_DAMAGED] = False

    output_is_folder: ClassVar[bool] = False
    """Whether the output is a folder for several files."""

    def jobs(self, preparation: "Preparation") -> "Iterator[Job]":
        """The modules to train, one after the other.

        Args:
            preparation: What is the same for every system: the clips, the processor and the provenance.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it trains")

    def variant(self) -> str:
        """The text that follows the name of the system in the message after the training."""
        return ""

    def next_command(self) -> str:
        """The command that comes after the training, without the program's name; none where it is empty."""
        return ""


@settings(kw_only=True)
class WindowedTrainSettings(TrainSettings):
    """The length of the windows that clips are cut into."""

    window_s: Annotated[float, Setting("The length of a window in seconds.", above=0.0, at_most=3600.0)] = 10.0

    @property
    def samples(self) -> int:
        """The length of a window in samples at 16 kHz."""
        return round(self.window_s * SAMPLE_RATE_HZ)

    def require_samples(self, least: int, what: str) -> None:
        """Refuse a window that is too short for what a system makes of it.

        Args:
            least: The length of the shortest window, in samples.
            what: What the shortest window holds, for the message: "the frames of one vector".

        Raises:
            InputError: The window is shorter.
        """
        if self.samples < least:
            raise InputError(
                f"The window is shorter than {what}.",
                got=f"{self.window_s:g} s",
                valid=f"{least / SAMPLE_RATE_HZ:g} s or more",
                next_step="choose a longer --window",
            )


def values_of(chosen: object, declared_by: type) -> dict[str, Any]:
    """The values of the fields that one class of settings declares, for the provenance of a run.

    Args:
        chosen: The settings.
        declared_by: The class of the settings, or one that it inherits from.
    """
    return {field.name: getattr(chosen, field.name) for field in dataclasses.fields(declared_by)}
