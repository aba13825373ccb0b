"""Training the first-shot autoencoder, one for each machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.calibration.wording import counted
from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.systems.fs_ae import FsAeSettings
from asd_edge.export.systems.fs_ae.model import (
    NAME,
    FsAeTraining,
    TrainedFsAe,
    VectorData,
    residual_covariance,
)
from asd_edge.export.training.clips import TrainingClip
from asd_edge.export.training.job import Job, Preparation
from asd_edge.export.weights_file import write_weights


def jobs(chosen: FsAeSettings, preparation: Preparation) -> Iterator[Job]:
    """Describe the training of an autoencoder for each machine, in files that `build_fs_ae` reads.

    Args:
        chosen: The settings: what is trained, and from what.
        preparation: The clips and the processor.

    Raises:
        InputError: A machine has no clip that can be read.
        SoundError: A clip is damaged, and damaged clips are not skipped.
    """
    for machine, clips in preparation.clips(chosen.machines).items():
        yield _job(machine, clips, chosen, preparation)


def _job(machine: str, clips: Iterable[TrainingClip], chosen: FsAeSettings, preparation: Preparation) -> Job:
    damaged = DamagedClips(chosen.skip_damaged)
    used, spectrograms, is_target = _hear(machine, clips, chosen, damaged)
    output = chosen.output / f"{machine}.pt"

    def write(module: nn.Module) -> None:
        autoencoder = cast(FsAeTraining, module).autoencoder
        domains = [spectrograms[domain] for domain in (~is_target, is_target) if domain.any()]
        covariances = np.stack([residual_covariance(autoencoder, domain) for domain in domains])
        write_weights(output, TrainedFsAe(autoencoder, covariances, chosen.samples).to_dict())

    own = {"machine": machine, "windows": {"samples": chosen.samples, "channel": str(chosen.channel)}}
    return Job(
        f"{NAME} of {machine}: {counted(len(spectrograms), 'window')} of {counted(len(used), 'clip')}, "
        f"{int(is_target.sum())} of the target domain",
        output,
        preparation.provenance(NAME, own, used, damaged=damaged.count),
        VectorData(spectrograms),
        FsAeTraining,
        write,
    )


def _hear(
    machine: str, clips: Iterable[TrainingClip], chosen: FsAeSettings, damaged: DamagedClips
) -> tuple[list[TrainingClip], NDArray[np.float32], NDArray[np.bool_]]:
    """Read the clips: those that can be read, the spectrograms of their windows, and whether each is of the target."""
    front_end = SlaneyLogMel()
    used: list[TrainingClip] = []
    found: list[NDArray[np.float32]] = []
    is_target: list[bool] = []
    for each in clips:
        try:
            windows = read_windows(each.clip.path, chosen.samples, chosen.channel)
        except SoundError as error:
            damaged.add(error)
            continue
        used.append(each)
        with torch.no_grad():
            found += [front_end(torch.from_numpy(window[None]))[0].T.numpy() for window in windows]
        is_target += [each.clip.domain == "target"] * len(windows)
    if not used:
        raise InputError(
            "The machine has no training clip that can be read.",
            got=f"{machine}, {damaged.count} damaged",
            valid="one clip or more",
            next_step="record or copy its training clips again",
        )
    return used, np.stack(found), np.array(is_target)
