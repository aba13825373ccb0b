"""Training the multi-modal autoencoder of [MM], with BEATs' features or on the log-mel spectrogram."""

from __future__ import annotations

import math
from collections.abc import Callable
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
from asd_edge.calibration.errors import InputError
from asd_edge.export.beats.checkpoint import write_weights
from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.feature_store import FeatureData, FeatureKind, FeatureStore, extract
from asd_edge.export.systems.mm_autoencoder.model import (
    SHORTEST_SAMPLES,
    AutoencoderOrigin,
    BeatsFrames,
    MultiModalAutoencoder,
    SpectrogramFrames,
    learned,
)
from asd_edge.export.training.clips import data_digest, read_training_clips
from asd_edge.export.training.progress import say_nothing
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.trainer import TrainingData, TrainSettings, computer, train
from asd_edge.export.training.window_data import WindowData, count_windows

CONV_AE_TRAINING = TrainSettings(epochs=50, batch=7, learning_rate=1e-3, falling=True)
"""[MM], section 3.1: 50 epochs, learning rate 0.001, batch 2048. It does not say of what; here, of frames, and a window
of 10 s has 313, so that 7 windows have 2191. The report is silent on the rest: Adam, falling to zero."""
FrontEnd = BeatsFrames | SpectrogramFrames
"""Makes the modality that is not learned, of patches or of the waveform."""
_LEAST_DEVIATION = 0.1
"""Of a channel, relative to the mean of all: one that hardly varies in training shall not decide alone."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """What is trained."""

    identity_weight: float = 0.1
    """alpha of equation (4), of which [MM] gives no value: the errors of rebuilding end near 0.3, the cross-entropy
    begins at the logarithm of the number of machines, 1 to 2"""

    def __post_init__(self) -> None:
        if not 0.0 <= self.identity_weight < math.inf:
            raise InputError(
                "The weight of the machine's identity cannot be that.",
                got=self.identity_weight,
                valid="0 or more",
                next_step="change identity_weight",
            )


class ConvAutoencoderTraining(nn.Module):
    """The autoencoder with what trains it: [MM], equation (4).

    With L_recon the mean squared error of rebuilding, and L_CE the cross-entropy of the machine's identity, told by a
    linear classifier from the embedding, which is 0 of a single machine::

        L = L_recon + alpha L_CE

    Args:
        front_end: Makes what is rebuilt.
        autoencoder: Rebuilds it.
        machines: How many there are.
        settings: The weight.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        autoencoder: MultiModalAutoencoder,
        machines: int,
        settings: AutoencoderSettings,
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
        windows: Waveforms and labels.
        features: Patch features.
    """

    def __init__(self, windows: WindowData, features: FeatureData) -> None:
        self._windows = windows
        self._features = features

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Waveforms ``(rows, samples)``, labels ``(rows, tasks)``, patches ``(rows, patches, dim)``."""
        return (*self._windows[rows], self._features[rows][0])


def hear(front_end: FrontEnd, waveform: Tensor, patches: Tensor | None = None) -> Tensor:
    """What is rebuilt, of waveforms or, with BEATs, of their patches: ``(batch, channels, frames)``."""
    heard: Tensor = front_end(waveform if patches is None else patches.float())
    return heard


def statistics(data: TrainingData, front_end: FrontEnd) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of what is heard, over all windows and frames: ``(channels,)`` each.

    A deviation is at least a tenth of the mean deviation.

    Args:
        data: Gives waveforms, labels and, with BEATs, patches.
        front_end: Makes the channels.
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


def train_conv_autoencoder(
    data: Path,
    output: Path,
    checkpoint: Path | None = None,
    settings: AutoencoderSettings = AutoencoderSettings(),  # frozen
    training: TrainSettings = CONV_AE_TRAINING,
    *,
    features: Path | None = None,
    layers: int | None = None,
    window_s: float = 10.0,
    channel: Channel = 1,
    accelerator: str = "auto",
    processes: int = 1,
    mixed_precision: bool = False,
    workers: int = 0,
    resume: bool = False,
    skip_damaged: bool = False,
    tell: Callable[[str], None] = say_nothing,
) -> AutoencoderOrigin | None:
    """Train one autoencoder for all machines, from a data set to a file that `build_conv_autoencoder` reads.

    Args:
        data: A folder in the layout of DCASE Task 2; its training clips are learned from.
        output: The ``.pt`` file to write. Beside it, ``<name>.run`` keeps the run.
        checkpoint: BEATs, as Microsoft publishes it, which stays as it is; without it, the log-mel spectrogram takes
            its place: a small model for small devices.
        settings: What is trained.
        training: How.
        features: Folder for BEATs' patch features, ``features`` beside the output by default.
        layers: Keep the first so many of BEATs' layers; all by default.
        window_s: Length of the window in seconds.
        channel: Of the sound files.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        processes: One for each GPU.
        mixed_precision: Compute products in bfloat16, on a GPU that can.
        workers: Processes that read sound and features ahead.
        resume: Go on with a run that was stopped; it begins where there is none.
        skip_damaged: Leave out clips that cannot be read, instead of stopping.
        tell: Called with what is being done.

    Returns:
        What the weights say of themselves; none in the processes beside the first.

    Raises:
        InputError: There is nothing to learn, the window is too short, the output cannot be written, or as `train` and
            `extract` say.
        SoundError: A clip is damaged, and such are not to be skipped.
        ModelError: The checkpoint cannot be used.
    """
    check_writable(output)
    samples = round(window_s * SAMPLE_RATE_HZ)
    if samples < SHORTEST_SAMPLES:
        raise InputError(
            "The window is shorter than two latent codes.",
            got=f"{window_s:g} s",
            valid=f"{SHORTEST_SAMPLES / SAMPLE_RATE_HZ:g} s or more",
            next_step="choose a longer --window",
        )
    fabric = computer(accelerator, processes, mixed_precision)
    if not fabric.is_global_zero:
        tell = say_nothing
    tell(f"reading {data}")
    clips = [each for found in read_training_clips(data).values() for each in found]
    damaged = DamagedClips(skip_damaged)
    front_end: FrontEnd
    if checkpoint is None:
        store, front_end, origin = None, SpectrogramFrames(), AutoencoderOrigin(samples, None, None)
        counted = count_windows(clips, samples, channel, damaged)
    else:
        tell(f"reading {checkpoint}")
        encoder = load_beats(checkpoint, layers, samples)
        front_end = BeatsFrames(encoder)
        kind = FeatureKind.of(encoder, file_sha256(checkpoint), channel)
        origin = AutoencoderOrigin(samples, kind.checkpoint_sha256, kind.layers)
        store = FeatureStore(features or output.parent / "features", kind)
        used = extract(clips, store, encoder.to(fabric.device), channel, damaged)
        counted = [(each, len(store.read(each.sha256))) for each in used]
        del encoder
    if not counted:
        raise InputError(
            "There is no training clip that can be read.",
            got=f"{damaged.count} damaged",
            valid="one clip or more",
            next_step="record or copy the training clips again",
        )
    machines = sorted({each.clip.machine for each, _ in counted})
    labels = np.array([[machines.index(each.clip.machine)] for each, _ in counted])
    sound = WindowData(counted, labels, samples, channel)
    windows: TrainingData = sound
    if store is not None:
        windows = WindowsWithPatches(sound, FeatureData(store, [each.sha256 for each, _ in counted], labels))
    told = f"{len(machines)} machines" if len(machines) > 1 else "one machine, which has no other to be told from"
    tell(f"{origin.system}: {len(sound)} windows of {len(counted)} clips, {told}")
    mean, deviation = statistics(windows, front_end)
    made_of: dict[str, Any] = {
        "system": origin.system,
        "settings": asdict(settings),
        "training": asdict(training),
        "windows": {**asdict(origin), "channel": str(channel)},
        "data": {
            "sha256": data_digest(each for each, _ in counted),
            "clips": len(counted),
            "damaged": damaged.count,
            "machines": machines,
        },
    }

    def build() -> ConvAutoencoderTraining:
        autoencoder = MultiModalAutoencoder(len(mean), mean, deviation)
        return ConvAutoencoderTraining(front_end, autoencoder, len(machines), settings)

    run = RunFolder(output.with_suffix(".run"), made_of, resume)
    module = cast(ConvAutoencoderTraining, train(build, windows, training, run, fabric, workers))
    if not fabric.is_global_zero:
        return None
    write_weights(output, {**learned(module.autoencoder), "origin": asdict(origin)})
    return origin
