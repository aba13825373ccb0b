"""Training the discriminative system of [MM] from waveforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import check_writable, file_sha256
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.dcase.data_set import Clip
from asd_edge.export.beats.checkpoint import write_weights
from asd_edge.export.beats.fine_tuning import check_unfreeze, load_trainable
from asd_edge.export.layers.arcface import MARGIN, SCALE, ArcFace
from asd_edge.export.layers.mmd import squared_mmd, squared_mmd_of_pairs
from asd_edge.export.systems.mm_discriminative.model import DIMENSIONS, SYSTEM, DiscriminativeOrigin, MultiModal
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.clips import data_digest, read_training_clips
from asd_edge.export.training.progress import say_nothing
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.trainer import TrainSettings, computer, train
from asd_edge.export.training.window_data import WindowData, count_windows

DISCRIMINATIVE_TRAINING = TrainSettings(
    epochs=50, batch=64, learning_rate=1e-3, accumulate=4, weight_decay=1e-2, falling=True
)
"""Epochs and learning rate are those of [MM], section 3.1. Its batch of 2048 cannot be of windows of 10 s: each keeps
0.48 GB for the gradient through BEATs, 0.57 GB where all of it is trained. 16 at a time fit into a GPU of 16 GB, and
four times as many make a step. The report is silent on the rest: AdamW with its usual weight decay, falling to zero."""
DOMAINS = ("source", "target")


@dataclass(frozen=True)
class DiscriminativeSettings:
    """What is trained. [MM] names the losses, but none of their weights."""

    unfreeze: str = "last4"
    """what of BEATs: ``last4`` is system 1, ``all`` is system 2"""
    encoder_rate: float = 0.05
    """learning rate of BEATs, relative to that of what begins from nothing: with 1e-3 it is 5e-5, usual for
    fine-tuning a transformer"""
    scale: float = SCALE
    """s of ArcFace, as in [ASP]"""
    margin: float = MARGIN
    """m of ArcFace, in radians"""
    attribute_weight: float = 0.2
    """lambda_attr of a machine with one attribute, K of them share it: gamma of [ASP]"""
    domain_weight: float = 0.2
    """lambda_dom: the domain is one more attribute"""
    alignment_weight: float = 0.2
    """lambda_mmd, of the MMD between modalities, whose square is at most 2; the identity's loss begins near 15"""
    domain_alignment_weight: float = 0.0
    """lambda_align, of the MMD between the embeddings of the source and of the target windows of a batch. [MM], section
    3.2, has "a domain alignment module implemented via MMD loss to mitigate feature distribution discrepancies across
    modalities": the module's name says domains, what it does says modalities, and the second is the default. In the
    challenge's data one training clip of a hundred is from the target domain, so that few batches hold the two target
    windows that it takes; it is for data with more of them."""

    def __post_init__(self) -> None:
        check_unfreeze(self.unfreeze)


class DiscriminativeTraining(nn.Module):
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
        model: Embeds.
        tasks: Machine types and attributes, with their weights.
        domains: Whether domains are classified, too.
        settings: Weights.
    """

    def __init__(self, model: MultiModal, tasks: Tasks, domains: bool, settings: DiscriminativeSettings) -> None:
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
            embedding: ``(batch, 256)``.
            modalities: ``(batch, 3, 128, frames)``.
            labels: Classes of machine type, attributes, and domain where it is classified: ``(batch, tasks)``; -1 where
                there is none.
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


def train_discriminative(
    data: Path,
    checkpoint: Path,
    output: Path,
    settings: DiscriminativeSettings = DiscriminativeSettings(),  # frozen
    training: TrainSettings = DISCRIMINATIVE_TRAINING,
    *,
    window_s: float = 10.0,
    channel: Channel = 1,
    accelerator: str = "auto",
    processes: int = 1,
    mixed_precision: bool = False,
    workers: int = 0,
    resume: bool = False,
    skip_damaged: bool = False,
    tell: Callable[[str], None] = say_nothing,
) -> DiscriminativeOrigin | None:
    """Train the system, from a data set to a file that `build_discriminative` reads.

    Args:
        data: A folder in the layout of DCASE Task 2; its training clips are learned from.
        checkpoint: BEATs, as Microsoft publishes it; the file stays as it is.
        output: The ``.pt`` file to write. Beside it, ``<name>.run`` keeps the run.
        settings: What is trained.
        training: How.
        window_s: Length of the window in seconds.
        channel: Of the sound files.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        processes: One for each GPU.
        mixed_precision: Compute products in bfloat16, on a GPU that can.
        workers: Processes that read sound ahead.
        resume: Go on with a run that was stopped; it begins where there is none.
        skip_damaged: Leave out clips that cannot be read, instead of stopping.
        tell: Called with what is being done.

    Returns:
        What the weights say of themselves; none in the processes beside the first.

    Raises:
        InputError: There is nothing to learn, the window is too short, the output cannot be written, or as `train`
            says.
        SoundError: A clip is damaged, and such are not to be skipped.
        ModelError: The checkpoint cannot be used.
    """
    check_writable(output)
    fabric = computer(accelerator, processes, mixed_precision)
    if not fabric.is_global_zero:
        tell = say_nothing
    samples = round(window_s * SAMPLE_RATE_HZ)
    tell(f"reading {checkpoint}")
    encoder = load_trainable(checkpoint, settings.unfreeze, samples)
    origin = DiscriminativeOrigin(settings.unfreeze, samples, file_sha256(checkpoint))
    tell(f"reading {data}")
    machines = read_training_clips(data)
    clips = [each for found in machines.values() for each in found]
    damaged = DamagedClips(skip_damaged)
    counted = count_windows(clips, samples, channel, damaged)
    used = [each.clip for each, _ in counted]
    tasks = Tasks.of(used, settings.attribute_weight)
    domains = _domain_labels(used)
    labels = np.column_stack([tasks.labels(used), *([] if domains is None else [domains])])
    windows = WindowData(counted, labels, samples, channel)
    made_of: dict[str, Any] = {
        "system": SYSTEM,
        "settings": asdict(settings),
        "training": asdict(training),
        "windows": {"samples": samples, "channel": str(channel), "checkpoint_sha256": origin.checkpoint_sha256},
        "data": {
            "sha256": data_digest(each for each, _ in counted),
            "clips": len(used),
            "damaged": damaged.count,
            "machines": list(machines),
        },
    }
    tell(
        f"{SYSTEM}, BEATs {settings.unfreeze}: {len(windows)} windows of {len(used)} clips, {tasks.describe()}; "
        f"{'both domains' if domains is not None else 'no two domains, so that no domain is classified'}"
    )

    def build() -> nn.Module:
        return DiscriminativeTraining(MultiModal(encoder), tasks, domains is not None, settings)

    def rate_of(name: str) -> float:
        return settings.encoder_rate if name.startswith("model.encoder.") else 1.0

    run = RunFolder(output.with_suffix(".run"), made_of, resume)
    module = cast(DiscriminativeTraining, train(build, windows, training, run, fabric, workers, rate_of))
    if not fabric.is_global_zero:
        return None
    write_weights(output, {**module.model.learned(), "origin": asdict(origin)})
    return origin


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the batch, to which samples without a label, -1, contribute nothing."""
    return nn.functional.cross_entropy(logits, labels, ignore_index=-1, reduction="none").mean()


def _domain_labels(clips: Sequence[Clip]) -> NDArray[np.int64] | None:
    """The domain of each clip, -1 where its name says none; none at all where there are no two to tell apart."""
    labels = np.array([DOMAINS.index(clip.domain) if clip.domain else -1 for clip in clips])
    return labels if {0, 1} <= set(labels.tolist()) else None
