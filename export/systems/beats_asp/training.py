"""Training the attentive pooling of [ASP] on patch features of frozen BEATs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch import Tensor, nn

from asd_edge.calibration.wording import counted
from asd_edge.export.beats.feature_store import FeatureData
from asd_edge.export.beats.head_origin import HeadOrigin
from asd_edge.export.beats.pooling import AttentiveStatisticsPooling
from asd_edge.export.layers.arcface import ArcFace
from asd_edge.export.systems.beats_asp import AspLosses, AspSettings
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.job import Job, Preparation
from asd_edge.export.training.settings import values_of
from asd_edge.export.weights_file import write_weights


class AspTraining(nn.Module):
    """The pooling with what trains it: a projection and an ArcFace for each task.

    With z the pooled features of a window::

        e = ReLU(BN(W_e z))                                                        (6)
        L = beta mean_n l_main,n + sum_i sum_n gamma_i,n l_i,n / N                 (9)

    over the N windows of a batch. [ASP] leaves open whether (9) sums or averages over samples; here both parts are
    means over the batch, so that their balance does not depend on its size.

    Args:
        width: The width of the patch features.
        tasks: The machine types and the attributes that are told apart.
        settings: The sizes and the weights of the losses.
    """

    def __init__(self, width: int, tasks: Tasks, settings: AspLosses) -> None:
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


def jobs(chosen: AspSettings, preparation: Preparation) -> Iterator[Job]:
    """Describe the training of one head of the pooling ``asp`` for all machines, in a file that `load_head` reads.

    Args:
        chosen: The settings: what is trained, and from what.
        preparation: The clips and the processor.

    Raises:
        InputError: There is nothing to tell apart, or the features cannot be kept.
        ModelError: The checkpoint cannot be used.
    """
    clips = preparation.all_clips()
    Tasks.of([each.clip for each in clips], chosen.weight)  # before the hours of work
    _, store, used = chosen.features_of(chosen.checkpoint, clips, preparation)
    tasks = Tasks.of([each.clip for each in used], chosen.weight)
    samples = FeatureData(store, [each.sha256 for each in used], tasks.labels(each.clip for each in used))
    origin = HeadOrigin(chosen.system, store.kind.checkpoint_sha256, store.kind.layers)
    own = {"settings": values_of(chosen, AspLosses), "features": asdict(store.kind)}
    machines = list(dict.fromkeys(each.clip.machine for each in clips))

    def write(module: nn.Module) -> None:
        write_weights(chosen.output, {**module.get_submodule("pooling").state_dict(), "origin": asdict(origin)})

    yield Job(
        f"{chosen.system}: {counted(len(samples), 'window')} of {counted(len(used), 'clip')}, {tasks.describe()}",
        chosen.output,
        preparation.provenance(chosen.system, own, used, machines=machines),
        samples,
        lambda: AspTraining(store.kind.width, tasks, chosen),
        write,
    )
