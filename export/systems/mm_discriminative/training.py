"""Training the discriminative system of [MM] from waveforms."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.dcase.data_set import Clip
from asd_edge.calibration.wording import counted
from asd_edge.export.beats.fine_tuning import load_trainable
from asd_edge.export.layers.arcface import ArcFace
from asd_edge.export.layers.mmd import squared_mmd, squared_mmd_of_pairs
from asd_edge.export.systems.mm_discriminative import MmDiscriminativeLosses, MmDiscriminativeSettings
from asd_edge.export.systems.mm_discriminative.model import DIMENSIONS, NAME, MmDiscriminative, MmDiscriminativeOrigin
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.job import Job, Preparation
from asd_edge.export.training.settings import values_of
from asd_edge.export.training.window_data import WindowData, count_windows
from asd_edge.export.weights_file import write_weights

log = logging.getLogger(__name__)

DOMAINS = ("source", "target")


class MmDiscriminativeTraining(nn.Module):
    """The fused embedding with what trains it: a classifier for each task.

    With e the embedding of a window, and B, T and S the sets of BEATs', Tgram's and the spectrogram's channels of the
    windows, each averaged over time::

        L = L_id + sum_i lambda_attr / K CE(f_i(e), y_i) + lambda_dom CE(f_dom(e), y_dom)        (1)-(3)
            + lambda_mmd (MMD^2(B, S) + MMD^2(T, S)) / 2 + lambda_align MMD^2(e_source, e_target)

    L_id is ArcFace on machine types, f_i and f_dom are linear. All are means over the batch, to which a window without
    a label contributes nothing. [MM] classifies the "machine identity"; in the challenge's data of 2025 each machine
    type is one machine, section 00, so that type and identity are the same there, and where a type has several sections
    they are one class here.

    Args:
        model: The module that embeds windows.
        tasks: Machine types and attributes, with their weights.
        domains: Whether domains are classified, too.
        settings: The weights of the losses.
    """

    def __init__(self, model: MmDiscriminative, tasks: Tasks, domains: bool, settings: MmDiscriminativeLosses) -> None:
        super().__init__()
        self.model = model
        self.identity = ArcFace(DIMENSIONS, len(tasks.types), settings.scale, settings.margin)
        self.attributes = nn.ModuleList(nn.Linear(DIMENSIONS, len(task.values)) for task in tasks.attributes)
        self.attribute_weights = [task.weight for task in tasks.attributes]
        self.domain = nn.Linear(DIMENSIONS, len(DOMAINS)) if domains else None
        self.settings = settings

    def forward(self, waveform: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The losses of ``(batch, samples)`` with labels ``(batch, tasks)``, as `losses` gives them."""
        modalities = self.model.modalities(waveform)
        embedding = self.model.backbone(modalities)
        with torch.autocast(waveform.device.type, enabled=False):  # bfloat16 has too few digits for angles
            return self.losses(embedding.float(), modalities.float(), labels)

    def losses(self, embedding: Tensor, modalities: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted parts of the loss, and ``loss``, their sum.

        Args:
            embedding: The embeddings, ``(batch, 256)``.
            modalities: The pictures of the modalities, ``(batch, 3, 128, frames)``.
            labels: The classes of machine type, attributes, and domain where it is classified, ``(batch, tasks)``; -1
                where there is none.
        """
        parts = {"identity": self.identity(embedding, labels[:, 0]).mean()}
        if self.attributes:
            parts["attributes"] = torch.stack(
                [
                    weight * _cross_entropy(classify(embedding), labels[:, place])
                    for place, (classify, weight) in enumerate(
                        zip(self.attributes, self.attribute_weights, strict=True), start=1
                    )
                ]
            ).sum()
        if self.domain is not None:
            parts["domain"] = self.settings.domain_weight * _cross_entropy(self.domain(embedding), labels[:, -1])
        beats, tgram, spectrogram = modalities.mean(dim=3).unbind(dim=1)  # (batch, 128) each
        apart = squared_mmd_of_pairs(beats, spectrogram) + squared_mmd_of_pairs(tgram, spectrogram)
        parts["alignment"] = self.settings.alignment_weight * apart / 2.0
        if self.domain is not None and self.settings.domain_alignment_weight > 0.0:
            source, target = (embedding[labels[:, -1] == domain] for domain in range(len(DOMAINS)))
            if min(len(source), len(target)) > 1:  # what an unbiased estimate takes
                parts["domain alignment"] = self.settings.domain_alignment_weight * squared_mmd(source, target)
            else:
                parts["domain alignment"] = embedding.new_zeros(())
        return {
            "loss": torch.stack(list(parts.values())).sum(),
            **{name: part.detach() for name, part in parts.items()},
        }


def jobs(chosen: MmDiscriminativeSettings, preparation: Preparation) -> Iterator[Job]:
    """Describe the training of one model for all machines, in a file that `build_mm_discriminative` reads.

    Args:
        chosen: The settings: what is trained, and from what.
        preparation: The clips and the processor.

    Raises:
        InputError: There is nothing to learn, or the window is too short.
        SoundError: A clip is damaged, and damaged clips are not skipped.
        ModelError: The checkpoint cannot be used.
    """
    log.info("Reading %s ...", chosen.checkpoint)
    encoder = load_trainable(chosen.checkpoint, chosen.unfreeze, chosen.samples)
    origin = MmDiscriminativeOrigin(chosen.unfreeze, chosen.samples, file_sha256(chosen.checkpoint))
    clips = preparation.all_clips()
    with_windows = count_windows(clips, chosen.samples, chosen.channel, preparation.damaged)
    used = [each.clip for each, _ in with_windows]
    tasks = Tasks.of(used, chosen.attribute_weight)
    domains = _domain_labels(used)
    labels = np.column_stack([tasks.labels(used), *([] if domains is None else [domains])])
    windows = WindowData(with_windows, labels, chosen.samples, chosen.channel)

    def build() -> nn.Module:
        return MmDiscriminativeTraining(MmDiscriminative(encoder), tasks, domains is not None, chosen)

    def write(module: nn.Module) -> None:
        trained = cast(MmDiscriminativeTraining, module).model
        write_weights(chosen.output, {**trained.learned(), "origin": asdict(origin)})

    own = {
        "settings": values_of(chosen, MmDiscriminativeLosses),
        "windows": {
            "samples": chosen.samples,
            "channel": str(chosen.channel),
            "checkpoint_sha256": origin.checkpoint_sha256,
        },
    }
    machines = list(dict.fromkeys(each.clip.machine for each in clips))
    yield Job(
        f"{NAME}, BEATs {chosen.unfreeze}: {counted(len(windows), 'window')} of {counted(len(used), 'clip')}, "
        f"{tasks.describe()}; "
        f"{'both domains' if domains is not None else 'no two domains, so that no domain is classified'}",
        chosen.output,
        preparation.provenance(NAME, own, [each for each, _ in with_windows], machines=machines),
        windows,
        build,
        write,
        rate_of=lambda name: chosen.encoder_rate if name.startswith("model.encoder.") else 1.0,
    )


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Average over the batch, to which samples without a label, -1, contribute nothing."""
    return nn.functional.cross_entropy(logits, labels, ignore_index=-1, reduction="none").mean()


def _domain_labels(clips: Sequence[Clip]) -> NDArray[np.int64] | None:
    """Give the domain of each clip, -1 where its name says none; None where there are no two domains to tell apart."""
    labels = np.array([DOMAINS.index(clip.domain) if clip.domain else -1 for clip in clips])
    return labels if {0, 1} <= set(labels.tolist()) else None
