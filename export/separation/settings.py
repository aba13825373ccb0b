"""The settings of taking clips apart and putting them together anew: mixtures, the separator, augmentation."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.training.job import Job, Preparation, System
from asd_edge.export.training.settings import ACCELERATOR, CHANNEL, RESUME, SKIP_DAMAGED, TrainSettings

if TYPE_CHECKING:
    import numpy as np

STEADY = ("background", "machine")
SIZES = ("small", "paper")
BACKGROUNDS = ("any", "machine")
ORIGINALS = ("link", "copy", "none")


@settings(kw_only=True)
class SnrSettings:
    """The range of ratios of foreground to background; all ratios in it are drawn equally often.

    [MM] says nothing of them; MIMII mixes its machines with factory noise at -6, 0 and 6 dB.
    """

    snr_min_db: Annotated[
        float,
        Setting(
            "The least ratio of foreground to background in decibels.", option="--snr-min", at_least=-100, at_most=100
        ),
    ] = -6.0
    snr_max_db: Annotated[
        float,
        Setting(
            "The greatest ratio of foreground to background in decibels.",
            option="--snr-max",
            at_least=-100,
            at_most=100,
        ),
    ] = 6.0

    def __post_init__(self) -> None:
        if self.snr_min_db > self.snr_max_db:
            raise InputError(
                "The range of signal-to-noise ratios is upside down.",
                got=f"{self.snr_min_db:g} to {self.snr_max_db:g} dB",
                valid="the smaller number first",
                next_step="change --snr-min or --snr-max",
            )

    def draw_snr_db(self, rng: "np.random.Generator") -> float:
        """Draw one ratio, in decibels."""
        return float(rng.uniform(self.snr_min_db, self.snr_max_db))


@settings(kw_only=True)
class MixSettings(SnrSettings):
    """The mixtures. Their range of ratios is wider than that of new clips, as an original may be louder or fainter."""

    mixtures: Annotated[int, Setting("The number of mixtures in an epoch.", at_least=2, at_most=100_000_000)] = 2000
    segment_s: Annotated[
        float,
        Setting(
            "The length of a mixture in seconds; longer sound is taken apart in pieces of it.",
            at_least=1.0,
            at_most=10.0,
        ),
    ] = 2.0
    snr_min_db: float = -10.0
    snr_max_db: float = 10.0
    seed: Annotated[int, Setting("The seed of the mixtures.", at_least=0, at_most=2**32 - 1)] = 0

    @property
    def samples(self) -> int:
        """The length of a mixture in samples at 16 kHz."""
        return round(self.segment_s * SAMPLE_RATE_HZ)


@settings(kw_only=True)
class SeparatorSettings(TrainSettings, MixSettings):
    """A separator of machine and surroundings, for `asd-edge augment`.

    AdamW, its rate, its weight decay, its warm-up and its clipping are those of the authors' program; falling to zero
    takes the place of a rate that is halved when validation stands still.
    """

    data: Annotated[
        Path,
        Setting("The folder in the layout of DCASE Task 2; its `supplemental` and `train` clips are learned from."),
    ]
    size: Annotated[str, Setting("The size of the network: small, for a CPU, or paper, for a GPU.")] = "small"
    steady: Annotated[
        str,
        Setting(
            "The part of a clip that is steady, where no supplemental recording has a part alone: the background "
            "(beside slide rails, valves), or the machine (fans, pumps)."
        ),
    ] = "background"
    seed: Annotated[
        int, Setting("The seed of the first weights, the mixtures and their order.", at_least=0, at_most=2**32 - 1)
    ] = 0
    epochs: int = 10
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    falling: bool = True
    warmup_steps: int | None = 4000
    clip_norm: float | None = 5.0

    def __post_init__(self) -> None:
        SnrSettings.__post_init__(self)
        _require_one_of("There is no such size.", "size", self.size, SIZES)
        _require_one_of("Nothing of that name can be steady.", "steady", self.steady, STEADY)

    def jobs(self, preparation: Preparation) -> Iterator[Job]:
        """The training of one separator."""
        from asd_edge.export.separation.training import jobs

        return jobs(self, preparation)

    def variant(self) -> str:
        """The size of the network."""
        return f", {self.size}"

    def next_command(self) -> str:
        """The augmentation of the same data."""
        return f"augment --data {self.data} --separator {self.output} --output {self.data.name}-augmented"


@settings(kw_only=True)
class RecipeSettings(SnrSettings):
    """The new clips: foregrounds over the backgrounds of others."""

    copies: Annotated[
        int, Setting("The number of new clips for each clip that there is.", at_least=1, at_most=1000)
    ] = 1
    mixup: Annotated[
        float,
        Setting(
            "The share of new clips in whose foreground one of the other domain is mixed, 0 to 1.",
            at_least=0.0,
            at_most=1.0,
        ),
    ] = 0.0
    backgrounds: Annotated[
        str, Setting("The clips whose backgrounds are taken: those of any machine, or of the same machine.")
    ] = "any"
    originals: Annotated[str, Setting("The way in which the original clips come along: link, copy or none.")] = "link"
    seed: Annotated[int, Setting("The seed of what is combined with what, and how.", at_least=0, at_most=2**32 - 1)] = 0

    def __post_init__(self) -> None:
        SnrSettings.__post_init__(self)
        _require_one_of("The backgrounds cannot be that.", "backgrounds", self.backgrounds, BACKGROUNDS)
        _require_one_of("The originals cannot be that.", "originals", self.originals, ORIGINALS)


@settings(kw_only=True)
class AugmentSettings(RecipeSettings):
    """The data, the separator, and the folder to make."""

    data: Annotated[
        Path, Setting("The folder in the layout of DCASE Task 2; its training clips, which are normal, are used.")
    ]
    separator: Annotated[Path, Setting("The path of the separator that `asd-edge train separator` wrote.")]
    output: Annotated[Path, Setting("The folder to make, in the same layout.")]
    channel: Annotated[Channel, CHANNEL] = 1
    accelerator: Annotated[str, ACCELERATOR] = "auto"
    resume: Annotated[bool, RESUME] = False
    skip_damaged: Annotated[bool, SKIP_DAMAGED] = False


def _require_one_of(what: str, name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise InputError(what, got=value, valid=", ".join(valid), next_step=f"change --{name}")


SYSTEM = System(train=SeparatorSettings)
