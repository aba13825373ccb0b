"""The multi-modal discriminative system of [MM]: its training and its export."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.beats.feature_settings import CHECKPOINT
from asd_edge.export.training.job import ExportSettings, Job, Preparation, System
from asd_edge.export.training.settings import CLIP_NORM, WARMUP_STEPS, WindowedTrainSettings

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_info import ModelInfo

FULL_WARMUP_STEPS = 4000
"""The warm-up where all of BEATs is trained. [MM] does not say what it did, and large first steps make a pretrained
encoder forget; this is the warm-up of the authors of TF-Locoformer, whose network consists of attention as well."""
FULL_CLIP_NORM = 5.0
"""The norm of the gradients where all of BEATs is trained, also that of the authors of TF-Locoformer."""


@settings(kw_only=True)
class MmDiscriminativeLosses:
    """The losses and their weights. [MM] names the losses, but none of their weights."""

    unfreeze: Annotated[
        str,
        Setting("The part of BEATs that is trained: last4 layers and the convolution (system 1), or all (system 2)."),
    ] = "last4"
    encoder_rate: Annotated[
        float,
        Setting(
            "The learning rate of BEATs, relative to that of what begins from nothing: 5e-5 as it stands, usual for "
            "fine-tuning a transformer.",
            at_least=0.0,
            at_most=1.0,
        ),
    ] = 0.05
    scale: Annotated[float, Setting("The scale s of ArcFace, as in [ASP].", above=0.0, at_most=1e6)] = 30.0
    margin: Annotated[float, Setting("The margin m of ArcFace in radians.", at_least=0.0, at_most=3.14)] = 0.5
    attribute_weight: Annotated[
        float,
        Setting(
            "The weight lambda_attr of a machine's attributes, which share it: gamma of [ASP].",
            at_least=0.0,
            at_most=1e6,
        ),
    ] = 0.2
    domain_weight: Annotated[
        float, Setting("The weight lambda_dom of the domain, which is one more attribute.", at_least=0.0, at_most=1e6)
    ] = 0.2
    alignment_weight: Annotated[
        float,
        Setting(
            "The weight lambda_mmd of the MMD between modalities, whose square is at most 2; the identity's loss "
            "begins near 15.",
            at_least=0.0,
            at_most=1e6,
        ),
    ] = 0.2
    domain_alignment_weight: Annotated[
        float,
        Setting(
            "The weight of the MMD between the embeddings of the source and of the target windows of a batch.",
            at_least=0.0,
            at_most=1e6,
        ),
    ] = 0.0
    """[MM], section 3.2, has "a domain alignment module implemented via MMD loss to mitigate feature distribution
    discrepancies across modalities": the module's name says domains, what it does says modalities, and the second is
    the default. In the challenge's data one training clip of a hundred is from the target domain, so that few batches
    hold the two target windows that it takes; it is for data with more of them."""

    def __post_init__(self) -> None:
        from asd_edge.export.beats.fine_tuning import check_unfreeze

        check_unfreeze(self.unfreeze)


@settings(kw_only=True)
class MmDiscriminativeSettings(WindowedTrainSettings, MmDiscriminativeLosses):
    """BEATs, Tgram and the spectrogram seen together, trained to tell machine types, attributes and domains apart.

    Epochs and learning rate are those of [MM], section 3.1. Its batch of 2048 cannot be of windows of 10 s: each keeps
    0.48 GB for the gradient through BEATs, 0.57 GB where all of it is trained. 16 at a time fit into a GPU of 16 GB,
    and four times as many make a step. Where the report is silent, this is AdamW with its usual
    weight decay and a learning rate that falls to zero.
    """

    checkpoint: Annotated[Path, CHECKPOINT]
    epochs: int = 50
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    falling: bool = True
    accumulate: int = 4
    warmup_steps: Annotated[
        int | None, replace(WARMUP_STEPS, default=f"{FULL_WARMUP_STEPS} with --unfreeze all, else 0")
    ] = None
    clip_norm: Annotated[
        float | None,
        replace(CLIP_NORM, default=f"{FULL_CLIP_NORM:g} with --unfreeze all, else they are not shortened"),
    ] = None

    def __post_init__(self) -> None:
        MmDiscriminativeLosses.__post_init__(self)
        if self.unfreeze == "all" and self.warmup_steps is None:
            object.__setattr__(self, "warmup_steps", FULL_WARMUP_STEPS)
        if self.unfreeze == "all" and self.clip_norm is None:
            object.__setattr__(self, "clip_norm", FULL_CLIP_NORM)

    def jobs(self, preparation: Preparation) -> Iterator[Job]:
        """The training of one model for all machines."""
        from asd_edge.export.systems.mm_discriminative.training import jobs

        return jobs(self, preparation)

    def variant(self) -> str:
        """The suffix that names the part of BEATs that was trained."""
        return f"-{self.unfreeze}"

    def next_command(self) -> str:
        """The export of these weights."""
        given = f"--weights {self.output} --checkpoint {self.checkpoint}"
        return f"export mm-discriminative {given} --output {self.output.with_suffix('.onnx')}"


@settings(kw_only=True)
class MmDiscriminativeExport(ExportSettings):
    """BEATs, Tgram and the spectrogram fused into one embedding, as they were trained."""

    weights: Annotated[Path, Setting("The path of the weights that `asd-edge train mm-discriminative` wrote.")]
    checkpoint: Annotated[Path, Setting("The path of the BEATs checkpoint that the training began from.")]
    output: Annotated[Path, Setting("The path of the .onnx file to write.")]
    target: Annotated[
        str, Setting("The processor that it will run on: cpu, or cuda, also for TensorRT and OpenVINO.")
    ] = "cpu"

    def write(self) -> "Iterable[tuple[ModelInfo, Path]]":
        """Write the model file."""
        from asd_edge.export.systems.mm_discriminative.model import export_mm_discriminative

        yield export_mm_discriminative(self.weights, self.checkpoint, self.output, self.target), self.output


SYSTEM = System(train=MmDiscriminativeSettings, export=MmDiscriminativeExport)
