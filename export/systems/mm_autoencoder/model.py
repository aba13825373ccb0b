"""The multi-modal autoencoder of [MM], section 2.2: the modules, and what the device runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.beats.embedder import OPSETS, prepare_encoder, require_target
from asd_edge.export.beats.encoder import Beats, TimeInterpolation, load_beats, over_mel_blocks
from asd_edge.export.layers.slaney import HOP_SAMPLES, MEL_BINS, SlaneyLogMel
from asd_edge.export.layers.tgram import CHANNELS, TgramNet
from asd_edge.export.training.provenance import parse_origin
from asd_edge.export.weights_file import check_weights, read_weights

NAME = "mm-autoencoder"
HIDDEN = 128
"""The number of channels of the hidden layers: half of those that the small variant hears."""
LATENT = 16
"""The number of channels of the latent code: four frames of 128 mel bins, an eighth of a second, become 16
numbers. [MM] gives no number."""
_KERNEL = 5
"""The number of frames that the first convolution of the encoder sees: 0.19 s of sound."""
SHORTEST_SAMPLES = 4 * HOP_SAMPLES
"""The length of the shortest window: its frames become two codes; the deviation of one code alone is 0."""
_LEAST_VARIANCE = 1e-6
"""The number under a root that keeps its slope finite where a latent channel does not change."""
ERRORS = ("mean", "max", "top")
"""What the errors of the frames become: their mean, their maximum, or the mean of the largest tenth."""
_TOP_SHARE = 0.1
"""The largest tenth is a second of ten: longer than a knock, whose frames the mean of a window drowns, and many enough
frames that the worst one of noise does not decide alone."""
_TRAIN_ONE = "train one with `asd-edge train mm-autoencoder`"


class SpectrogramFrames(SlaneyLogMel):
    """The log-mel spectrogram less its mean over the window, so that the gain of the microphone cancels.

    Without that, the statistics of the training set would tie the model to the gain of the microphones there.
    """

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` in [-1, 1] to ``(batch, 128, frames)`` in decibels."""
        decibels = super().forward(waveform)
        return decibels - decibels.mean(dim=(1, 2), keepdim=True)


class BeatsFrames(nn.Module):
    """Patch features averaged over frequency and interpolated in time to the frames of `SlaneyLogMel`.

    Args:
        encoder: The encoder that gives the patch features; only its sizes are read.
    """

    def __init__(self, encoder: Beats) -> None:
        super().__init__()
        self.mel_blocks = encoder.mel_blocks
        self.interpolate = TimeInterpolation(encoder, SlaneyLogMel().frames(encoder.samples))

    def forward(self, patches: Tensor) -> Tensor:
        """Transform ``(batch, patches, dim)`` to ``(batch, dim, frames)``."""
        frames: Tensor = self.interpolate(over_mel_blocks(patches, self.mel_blocks).transpose(1, 2))
        return frames


class MmAutoencoder(nn.Module):
    """Hears two modalities, keeps a low-dimensional code of them, and rebuilds the one that is not learned.

    The modality that is not learned, BEATs' features or the log-mel spectrogram, is brought to mean 0 and deviation 1
    in each channel by the statistics of the training set. The Tgram features are brought to mean 0 and deviation 1 over
    the time of the window. Both stand one above the other, channel by channel; the encoder takes every fourth
    frame, the decoder gives them back.

    [MM] rebuilds both modalities. But Tgram is trained together with the decoder, and the easiest features to rebuild
    are those that say nothing. A stopped gradient and the normalisation above exclude a constant only. So
    Tgram is heard but not rebuilt, and what is rebuilt is fixed before training begins.

    Args:
        channels: The number of channels of the modality that is not learned.
        mean: The mean of each channel over the training set, ``(channels,)``; 0 by default.
        deviation: The deviation of each channel, ``(channels,)``; 1 by default.
    """

    def __init__(self, channels: int, mean: Tensor | None = None, deviation: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels) if mean is None else mean)
        self.register_buffer("deviation", torch.ones(channels) if deviation is None else deviation)
        self.mean: Tensor
        self.deviation: Tensor
        self.tgram = TgramNet()
        self.encoder = nn.Sequential(
            *_layer(nn.Conv1d(channels + CHANNELS, HIDDEN, _KERNEL, 2, _KERNEL // 2, bias=False)),
            *_layer(nn.Conv1d(HIDDEN, HIDDEN, _KERNEL, 2, _KERNEL // 2, bias=False)),
            nn.Conv1d(HIDDEN, LATENT, 1),
        )
        self.decoder = nn.Sequential(
            *_layer(nn.Conv1d(LATENT, HIDDEN, 3, padding=1, bias=False)),
            *_layer(nn.ConvTranspose1d(HIDDEN, HIDDEN, 4, 2, 1, bias=False)),
            *_layer(nn.ConvTranspose1d(HIDDEN, HIDDEN, 4, 2, 1, bias=False)),
            nn.Conv1d(HIDDEN, channels, 1),
        )
        self.dimensions = 2 * LATENT

    def forward(self, heard: Tensor, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Embed and rebuild.

        Args:
            heard: The modality that is not learned, ``(batch, channels, frames)``.
            waveform: The waveforms of the same windows, ``(batch, samples)``.

        Returns:
            The mean and the deviation of the latent code over time, ``(batch, 2 latent)``; and the error of each frame,
            which is the mean square over its channels, in units of their variances, ``(batch, frames)``.
        """
        target = (heard - self.mean[:, None]) / self.deviation[:, None]
        tgram = self.tgram(waveform)
        tgram = nn.functional.layer_norm(tgram, tgram.shape[2:])
        latent = self.encoder(torch.cat([target, tgram], dim=1))  # (batch, latent, frames / 4)
        rebuilt = self.decoder(latent)[:, :, : target.shape[2]]
        spread = (latent.var(dim=2, correction=0) + _LEAST_VARIANCE).sqrt()
        return torch.cat([latent.mean(dim=2), spread], dim=1), (rebuilt - target).square().mean(dim=1)


@dataclass(frozen=True)
class MmAutoencoderOrigin:
    """What the file of the weights says about their training."""

    samples: int
    """the length of the window in samples at 16 kHz"""
    checkpoint_sha256: str | None
    """the digest of the BEATs checkpoint whose features were heard; none without BEATs"""
    layers: int | None
    """the number of encoder layers that were kept; none without BEATs"""

    @property
    def system(self) -> str:
        """The name of the system."""
        return NAME if self.checkpoint_sha256 else f"{NAME}-without-beats"


class MmAutoencoderModel(nn.Module):
    """From sound to the embedding and the reconstruction error of a window, front end included.

    [MM], section 2.2, scores by "the frame-level reconstruction error", and in section 3.2 by the mean squared error
    between input and reconstruction. The second is the mean over all frames, which is the default here; the first may
    mean that, or that single frames decide.

    Args:
        autoencoder: The trained autoencoder.
        encoder: BEATs, where the autoencoder was trained on its features; the log-mel spectrogram is heard otherwise.
        error: One of `ERRORS`.
    """

    def __init__(self, autoencoder: MmAutoencoder, encoder: Beats | None, error: str = "mean") -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.error = error
        self.front_end = SpectrogramFrames() if encoder is None else nn.Sequential(encoder, BeatsFrames(encoder))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Embed ``(batch, samples)``: the embeddings ``(batch, 32)`` and the reconstruction errors ``(batch,)``."""
        embedding, errors = self.autoencoder(self.front_end(waveform), waveform)
        if self.error == "max":
            return embedding, errors.amax(dim=1)
        if self.error == "top":
            errors = errors.topk(math.ceil(_TOP_SHARE * errors.shape[1]), dim=1).values
        return embedding, errors.mean(dim=1)


def build_mm_autoencoder(
    weights: Path, checkpoint: Path | None = None, target: str = "cpu", error: str = "mean"
) -> tuple[MmAutoencoderModel, ModelInfo]:
    """Make the module to export, and what its file says of itself.

    Args:
        weights: The file that `asd-edge train mm-autoencoder` wrote.
        checkpoint: The BEATs checkpoint that it was trained with, if any.
        target: One of `OPSETS`, the execution provider. Without BEATs the graph is for any.
        error: One of `ERRORS`.

    Raises:
        InputError: There is no such target or error, or a checkpoint is missing or not wanted.
        ModelError: The weights or the checkpoint cannot be used.
    """
    require_target(target)
    if error not in ERRORS:
        raise InputError(
            "There is no error of that name.", got=error, valid=", ".join(ERRORS), next_step="choose one with --error"
        )
    loaded = dict(read_weights(weights, f"a trained {NAME}", _TRAIN_ONE))
    origin = parse_origin(MmAutoencoderOrigin, loaded.pop("origin", None), weights, _TRAIN_ONE)
    encoder = _load_encoder(origin, checkpoint)
    autoencoder = MmAutoencoder(encoder.dimensions if encoder else MEL_BINS)
    shapes = {name: tuple(weight.shape) for name, weight in learned(autoencoder).items()}
    autoencoder.load_state_dict(check_weights(loaded, iter(shapes.items()), weights, _TRAIN_ONE), strict=False)
    info = ModelInfo(
        recipe=origin.system if error == "mean" else f"{origin.system}-{error}",
        samples=origin.samples,
        dimensions=autoencoder.dimensions,
        scorer="reconstruction",
        checkpoint_sha256=file_sha256(weights),
        reconstruction=True,
    )
    if encoder is None:
        return MmAutoencoderModel(autoencoder, None, error).eval(), info
    prepare_encoder(encoder, target)
    info = replace(info, layers=origin.layers, target=target, opset=OPSETS[target])
    return MmAutoencoderModel(autoencoder, encoder, error).eval(), info


def learned(autoencoder: MmAutoencoder) -> dict[str, Tensor]:
    """Take the weights that a file keeps: all but counts of batches, which inference does not need."""
    state = autoencoder.state_dict()
    return {name: weight for name, weight in state.items() if not name.endswith("num_batches_tracked")}


def _load_encoder(origin: MmAutoencoderOrigin, checkpoint: Path | None) -> Beats | None:
    """Load the BEATs encoder that the autoencoder was trained with, if there was one."""
    if (checkpoint is None) != (origin.checkpoint_sha256 is None):
        raise InputError(
            "The weights were trained without BEATs." if checkpoint else "The weights were trained with BEATs.",
            got=f"--checkpoint {checkpoint}" if checkpoint else "no checkpoint",
            valid="no checkpoint" if checkpoint else f"the one with SHA-256 {origin.checkpoint_sha256}",
            next_step="leave --checkpoint away" if checkpoint else "give it with --checkpoint",
        )
    if checkpoint is None:
        return None
    digest = file_sha256(checkpoint) if checkpoint.is_file() else None
    if digest not in {None, origin.checkpoint_sha256}:
        raise ModelError(
            "The weights were trained on features of another checkpoint.",
            got=f"a checkpoint with SHA-256 {digest}",
            valid=f"the one with {origin.checkpoint_sha256}",
            next_step="give that checkpoint, or train with this one",
        )
    return load_beats(checkpoint, origin.layers, origin.samples)


def _layer(convolution: nn.Conv1d | nn.ConvTranspose1d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm1d(HIDDEN), nn.ReLU()]
