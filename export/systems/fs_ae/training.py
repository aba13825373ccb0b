"""Training the first-shot autoencoder, one for each machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from asd_edge.calibration.atomic_files import check_writable, make_folder
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.export.beats.checkpoint import write_weights
from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.systems.fs_ae.model import (
    SHORTEST_SAMPLES,
    SYSTEM,
    AutoencoderTraining,
    TrainedAutoencoder,
    VectorData,
    residual_covariance,
)
from asd_edge.export.training.clips import TrainingClip, data_digest, read_training_clips
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.trainer import TrainSettings, computer, train

FS_AE_TRAINING = TrainSettings(epochs=100, batch=256, learning_rate=1e-3)
"""As in the authors' program: Adam, vectors of all clips shuffled. Theirs keeps a tenth of them apart to watch."""


def train_autoencoders(
    data: Path,
    output: Path,
    training: TrainSettings = FS_AE_TRAINING,
    *,
    machines: Iterable[str] = (),
    window_s: float = 10.0,
    channel: Channel = 1,
    accelerator: str = "auto",
    resume: bool = False,
    skip_damaged: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Train an autoencoder for each machine, from a data set to files that `build_autoencoder` reads.

    Args:
        data: A folder in the layout of DCASE Task 2; its training clips are learned from.
        output: The folder for ``<machine>.pt`` and, beside it, the folder of its run, ``<machine>.run``.
        training: How.
        machines: Only these; all by default.
        window_s: Length of the window in seconds.
        channel: Of the sound files.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        resume: Go on with runs that were stopped; those that are missing begin.
        skip_damaged: Leave out clips that cannot be read, instead of stopping.
        tell: Called with what is being done.

    Returns:
        The files that were written.

    Raises:
        InputError: There is nothing to learn, the window is too short, the output cannot be written, or as `train`
            says.
        SoundError: A clip is damaged, and such are not to be skipped.
    """
    samples = round(window_s * SAMPLE_RATE_HZ)
    if samples < SHORTEST_SAMPLES:
        raise InputError(
            "The window is shorter than the frames of one vector.",
            got=f"{window_s:g} s",
            valid=f"{SHORTEST_SAMPLES / SAMPLE_RATE_HZ:g} s or more",
            next_step="choose a longer --window",
        )
    make_folder(output, "the autoencoders", "--output")
    fabric = computer(accelerator)
    tell(f"reading {data}")
    written = []
    for machine, clips in read_training_clips(data, machines).items():
        path = output / f"{machine}.pt"
        check_writable(path)
        damaged = DamagedClips(skip_damaged)
        used, spectrograms, is_target = _hear(machine, clips, samples, channel, damaged)
        tell(
            f"{SYSTEM} of {machine}: {len(spectrograms)} windows of {len(used)} clips, "
            f"{int(is_target.sum())} of the target domain"
        )
        made_of = {
            "system": SYSTEM,
            "machine": machine,
            "training": asdict(training),
            "windows": {"samples": samples, "channel": str(channel)},
            "data": {"sha256": data_digest(used), "clips": len(used), "damaged": damaged.count},
        }
        run = RunFolder(output / f"{machine}.run", made_of, resume)
        module = cast(AutoencoderTraining, train(AutoencoderTraining, VectorData(spectrograms), training, run, fabric))
        domains = [spectrograms[domain] for domain in (~is_target, is_target) if domain.any()]
        covariances = [residual_covariance(module.autoencoder, domain) for domain in domains]
        trained = TrainedAutoencoder(module.autoencoder, np.stack(covariances), samples)
        write_weights(path, trained.to_dict())
        written.append(path)
    return written


def _hear(
    machine: str, clips: Iterable[TrainingClip], samples: int, channel: Channel, damaged: DamagedClips
) -> tuple[list[TrainingClip], NDArray[np.float32], NDArray[np.bool_]]:
    """The clips that can be read, the spectrograms of their windows, and which of these are of the target domain."""
    front_end = SlaneyLogMel()
    used: list[TrainingClip] = []
    found: list[NDArray[np.float32]] = []
    is_target: list[bool] = []
    for each in clips:
        try:
            windows = read_windows(each.clip.path, samples, channel)
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
