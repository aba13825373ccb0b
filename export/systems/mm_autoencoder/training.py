"""Training the multi-modal autoencoder of [MM], with BEATs' features or on the log-mel spectrogram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted
from asd_edge.export.beats.feature_store import FeatureData
from asd_edge.export.systems.mm_autoencoder import MmAutoencoderLosses, MmAutoencoderSettings
from asd_edge.export.systems.mm_autoencoder.model import (
    BeatsFrames,
    MmAutoencoder,
    MmAutoencoderOrigin,
    SpectrogramFrames,
    learned,
)
from asd_edge.export.training.job import Job, Preparation
from asd_edge.export.training.settings import values_of
from asd_edge.export.training.trainer import TrainingData
from asd_edge.export.training.window_data import WindowData, count_windows
from asd_edge.export.weights_file import write_weights

FrontEnd = BeatsFrames | SpectrogramFrames
"""The module that makes the modality that is not learned, of patches or of the waveform."""
_LEAST_DEVIATION = 0.1
"""The smallest deviation of a channel relative to the mean of all channels: a channel that hardly varies in training
shall not decide alone."""


class MmAutoencoderTraining(nn.Module):
    """The autoencoder with what trains it: [MM], equation (4).

    With L_recon the mean squared error of rebuilding, and L_CE the cross-entropy of the machine's identity, told by a
    linear classifier from the embedding, which is 0 of a single machine::

        L = L_recon + alpha L_CE

    Args:
        front_end: The module that makes what is rebuilt.
        autoencoder: The module that rebuilds it.
        machines: The number of machines.
        settings: The weight alpha.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        autoencoder: MmAutoencoder,
        machines: int,
        settings: MmAutoencoderLosses,
    ) -> None:
        super().__init__()
        self.front_end = front_end
        self.autoencoder = autoencoder
        self.classify = nn.Linear(autoencoder.dimensions, machines)
        self.settings = settings

    def forward(self, waveform: Tensor, labels: Tensor, patches: Tensor | None = None) -> dict[str, Tensor]:
        """The losses of ``(batch, samples)`` with labels ``(batch, 1)`` and, with BEATs, ``(batch, patches, dim)``."""
        embedding, errors = self.autoencoder(hear(self.front_end, waveform, patches), waveform)
        identity = nn.functional.cross_entropy(self.classify(embedding), labels[:, 0])
        rebuilding = errors.mean()
        return {
            "loss": rebuilding + self.settings.identity_weight * identity,
            "rebuilding": rebuilding.detach(),
            "identity": identity.detach(),
        }


class WindowsWithPatches:
    """Windows with their labels and BEATs' features, which are those of the same clips in the same order.

    Args:
        windows: The waveforms and the labels.
        features: The patch features.
    """

    def __init__(self, windows: WindowData, features: FeatureData) -> None:
        self._windows = windows
        self._features = features

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Give waveforms ``(rows, samples)``, labels ``(rows, tasks)`` and patches ``(rows, patches, dim)``."""
        return (*self._windows[rows], self._features[rows][0])


def hear(front_end: FrontEnd, waveform: Tensor, patches: Tensor | None = None) -> Tensor:
    """Make what is rebuilt, of waveforms or, with BEATs, of their patches: ``(batch, channels, frames)``."""
    heard: Tensor = front_end(waveform if patches is None else patches.float())
    return heard


def statistics(data: TrainingData, front_end: FrontEnd) -> tuple[Tensor, Tensor]:
    """Measure mean and deviation of each channel of what is heard, over all windows and frames: ``(channels,)`` each.

    A deviation is at least a tenth of the mean deviation.

    Args:
        data: The samples: waveforms, labels and, with BEATs, patches.
        front_end: The module that makes the channels.
    """
    sums, squares = [], []
    for row in range(len(data)):
        waveform, _, *patches = data[np.array([row])]
        heard = hear(front_end, waveform, *patches)[0].double()  # (channels, frames)
        sums.append(heard.mean(dim=1))
        squares.append(heard.square().mean(dim=1))
    mean = torch.stack(sums).mean(dim=0)
    deviation = (torch.stack(squares).mean(dim=0) - mean.square()).clamp(min=0.0).sqrt()
    least = max(_LEAST_DEVIATION * float(deviation.mean()), float(np.finfo(np.float32).tiny))
    return mean.float(), deviation.clamp(min=least).float()


def jobs(chosen: MmAutoencoderSettings, preparation: Preparation) -> Iterator[Job]:
    """Describe the training of one autoencoder for all machines, in a file that `build_mm_autoencoder` reads.

    Args:
        chosen: The settings: what is trained, and from what.
        preparation: The clips and the processor.

    Raises:
        InputError: There is nothing to learn, or the features cannot be kept.
        SoundError: A clip is damaged, and damaged clips are not skipped.
        ModelError: The checkpoint cannot be used.
    """
    samples, channel = chosen.samples, chosen.channel
    clips = preparation.all_clips()
    front_end: FrontEnd
    if chosen.checkpoint is None:
        store, front_end, origin = None, SpectrogramFrames(), MmAutoencoderOrigin(samples, None, None)
        with_windows = count_windows(clips, samples, channel, preparation.damaged)
    else:
        encoder, store, used = chosen.features_of(chosen.checkpoint, clips, preparation)
        front_end = BeatsFrames(encoder)
        origin = MmAutoencoderOrigin(samples, store.kind.checkpoint_sha256, store.kind.layers)
        with_windows = [(each, len(store.read(each.sha256))) for each in used]
        del encoder  # its memory, which training needs
    if not with_windows:
        raise InputError(
            "There is no training clip that can be read.",
            got=f"{preparation.damaged.count} damaged",
            valid="one clip or more",
            next_step="record or copy the training clips again",
        )
    machines = sorted({each.clip.machine for each, _ in with_windows})
    labels = np.array([[machines.index(each.clip.machine)] for each, _ in with_windows])
    sound = WindowData(with_windows, labels, samples, channel)
    windows: TrainingData = sound
    if store is not None:
        windows = WindowsWithPatches(sound, FeatureData(store, [each.sha256 for each, _ in with_windows], labels))
    mean, deviation = statistics(windows, front_end)

    def build() -> MmAutoencoderTraining:
        autoencoder = MmAutoencoder(len(mean), mean, deviation)
        return MmAutoencoderTraining(front_end, autoencoder, len(machines), chosen)

    def write(module: nn.Module) -> None:
        trained = cast(MmAutoencoderTraining, module).autoencoder
        write_weights(chosen.output, {**learned(trained), "origin": asdict(origin)})

    identities = f"{len(machines)} machines" if len(machines) > 1 else "one machine, which has no other to be told from"
    own = {
        "settings": values_of(chosen, MmAutoencoderLosses),
        "windows": {**asdict(origin), "channel": str(channel)},
    }
    yield Job(
        f"{origin.system}: {counted(len(sound), 'window')} of {counted(len(with_windows), 'clip')}, {identities}",
        chosen.output,
        preparation.provenance(origin.system, own, [each for each, _ in with_windows], machines=machines),
        windows,
        build,
        write,
    )
