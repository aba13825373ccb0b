"""Training the attentive pooling of [ASP] on patch features of frozen BEATs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import check_writable, file_sha256
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.export.beats.checkpoint import write_weights
from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.feature_store import FeatureData, FeatureKind, FeatureStore, extract
from asd_edge.export.beats.pooling import ATTENTION_DIM, AttentiveStatisticsPooling
from asd_edge.export.layers.arcface import MARGIN, SCALE, ArcFace
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.clips import data_digest, read_training_clips
from asd_edge.export.training.progress import say_nothing
from asd_edge.export.training.provenance import HeadOrigin
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.trainer import TrainSettings, computer, train

TYPE_ONLY = "beats-asp-type"
WITH_ATTRIBUTES = "beats-asp"
ASP_TRAINING = TrainSettings(epochs=20, batch=64, learning_rate=1e-3, weight_decay=1e-2, falling=True)
"""[ASP] does not say how it was trained. A head has 0.1 million weights and its classifiers 0.8 million: AdamW at its
usual rate, falling to zero, and the usual weight decay. With 64 windows, batch normalisation has its statistics and
the features of a batch take 100 MB in single precision."""


@dataclass(frozen=True)
class AspSettings:
    """What is trained, with the values of [ASP], section 2."""

    attributes: bool = True
    """whether attributes are classified beside the machine type"""
    attention: int = ATTENTION_DIM
    """d_a, width of the attention's inner layer"""
    projection: int = 512
    """E, width of the projection that training alone uses"""
    scale: float = SCALE
    """s of ArcFace"""
    margin: float = MARGIN
    """m of ArcFace, in radians"""
    type_weight: float = 1.0
    """beta"""
    attribute_weight: float = 0.2
    """gamma of a machine with one attribute; K of them share it"""

    @property
    def weight(self) -> float | None:
        """What the attributes of a machine weigh together; none where they are not classified."""
        return self.attribute_weight if self.attributes else None

    @property
    def system(self) -> str:
        """Name of the system."""
        return WITH_ATTRIBUTES if self.attributes else TYPE_ONLY


class AspTraining(nn.Module):
    """The pooling with what trains it: a projection and an ArcFace for each task.

    With z the pooled features of a window::

        e = ReLU(BN(W_e z))                                                        (6)
        L = beta mean_n l_main,n + sum_i sum_n gamma_i,n l_i,n / N                 (9)

    over the N windows of a batch. [ASP] leaves open whether (9) sums or averages over samples; here both parts are
    means over the batch, so that their balance does not depend on its size.

    Args:
        width: Of the patch features.
        tasks: What is classified.
        settings: Sizes and weights.
    """

    def __init__(self, width: int, tasks: Tasks, settings: AspSettings) -> None:
        super().__init__()
        self.pooling = AttentiveStatisticsPooling(width, settings.attention)
        self.project = nn.Linear(self.pooling.dimensions, settings.projection, bias=False)
        self.norm = nn.BatchNorm1d(settings.projection)
        classes = [len(tasks.types), *(len(task.values) for task in tasks.attributes)]
        self.tasks = nn.ModuleList(
            ArcFace(settings.projection, number, settings.scale, settings.margin) for number in classes
        )
        self.weights = [settings.type_weight, *(task.weight for task in tasks.attributes)]

    def forward(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The losses of ``(batch, patches, width)`` features with labels ``(batch, tasks)``, means over the batch."""
        pooled, _ = self.pooling(features.float())
        projected = self.norm(self.project(pooled)).relu()
        losses = [
            weight * task(projected, labels[:, place]).mean()
            for place, (task, weight) in enumerate(zip(self.tasks, self.weights, strict=True))
        ]
        total = torch.stack(losses).sum()
        if len(losses) == 1:
            return {"loss": total}
        return {"loss": total, "type": losses[0], "attributes": total.detach() - losses[0].detach()}


def train_asp(
    data: Path,
    checkpoint: Path,
    output: Path,
    settings: AspSettings = AspSettings(),  # frozen
    training: TrainSettings = ASP_TRAINING,
    *,
    features: Path | None = None,
    layers: int | None = None,
    window_s: float = 10.0,
    channel: Channel = 1,
    accelerator: str = "auto",
    processes: int = 1,
    workers: int = 0,
    resume: bool = False,
    skip_damaged: bool = False,
    tell: Callable[[str], None] = say_nothing,
) -> HeadOrigin | None:
    """Train a head for the pooling ``asp``, from a data set to a file that `load_head` reads.

    Args:
        data: A folder in the layout of DCASE Task 2; its training clips are learned from.
        checkpoint: BEATs, as Microsoft publishes it; it stays as it is.
        output: The ``.pt`` file to write. Beside it, ``<name>.run`` keeps the run.
        settings: What is trained.
        training: How.
        features: Folder for the patch features, ``features`` beside the output by default.
        layers: Keep the first so many encoder layers; all by default.
        window_s: Length of the window in seconds.
        channel: Of the sound files.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        processes: One for each GPU.
        workers: Processes that read features ahead.
        resume: Go on with a run that was stopped; it begins where there is none.
        skip_damaged: Leave out clips that cannot be read, instead of stopping.
        tell: Called with what is being done.

    Returns:
        What the head says of itself; none in the processes beside the first.

    Raises:
        InputError: There is nothing to learn, the output cannot be written, or as `train` and `extract` say.
        ModelError: The checkpoint cannot be used.
    """
    check_writable(output)
    fabric = computer(accelerator, processes)
    if not fabric.is_global_zero:
        tell = say_nothing
    tell(f"reading {data}")
    machines = read_training_clips(data)
    clips = [each for found in machines.values() for each in found]
    Tasks.of([each.clip for each in clips], settings.weight)  # before the hours of work
    tell(f"reading {checkpoint}")
    encoder = load_beats(checkpoint, layers, round(window_s * SAMPLE_RATE_HZ))
    kind = FeatureKind.of(encoder, file_sha256(checkpoint), channel)
    damaged = DamagedClips(skip_damaged)
    store = FeatureStore(features or output.parent / "features", kind)
    used = extract(clips, store, encoder.to(fabric.device), channel, damaged)
    del encoder
    tasks = Tasks.of([each.clip for each in used], settings.weight)
    samples = FeatureData(store, [each.sha256 for each in used], tasks.labels(each.clip for each in used))
    made_of: dict[str, Any] = {
        "system": settings.system,
        "settings": asdict(settings),
        "training": asdict(training),
        "features": asdict(kind),
        "data": {"sha256": data_digest(used), "clips": len(used), "damaged": damaged.count, "machines": list(machines)},
    }
    tell(f"{settings.system}: {len(samples)} windows of {len(used)} clips, {tasks.describe()}")
    run = RunFolder(output.with_suffix(".run"), made_of, resume)
    module = train(lambda: AspTraining(kind.width, tasks, settings), samples, training, run, fabric, workers)
    origin = HeadOrigin(settings.system, kind.checkpoint_sha256, kind.layers)
    if not fabric.is_global_zero:
        return None
    write_weights(output, {**module.get_submodule("pooling").state_dict(), "origin": asdict(origin)})
    return origin
