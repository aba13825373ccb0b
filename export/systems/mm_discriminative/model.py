"""The discriminative system of [MM], section 2.1: the modules, what is trained, and what the device runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import check_writable, file_sha256
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import ModelError
from asd_edge.export.beats.embedder import OPSETS, prepare_encoder, require_target
from asd_edge.export.beats.encoder import Beats, TimeInterpolation, over_mel_blocks
from asd_edge.export.beats.fine_tuning import UNFREEZE, TrainableBeats, load_trainable
from asd_edge.export.layers.mobilefacenet import MobileFaceNet
from asd_edge.export.layers.slaney import MEL_BINS, SlaneyLogMel
from asd_edge.export.layers.tgram import TgramNet
from asd_edge.export.onnx_file import export_model
from asd_edge.export.training.provenance import parse_origin
from asd_edge.export.weights_file import check_weights, read_weights

log = logging.getLogger(__name__)

NAME = "mm-discriminative"
DIMENSIONS = 256
"""The length of the fused embedding: [MM], section 3.2."""
_TRAIN_ONE = "train one with `asd-edge train mm-discriminative`"


class MmDiscriminative(nn.Module):
    """``(batch, samples) -> (batch, 256)``: three pictures of the same sound, seen together by a MobileFaceNet.

    - BEATs: patch features, averaged over the mel blocks, projected to 128 channels and interpolated to the frames of
      the spectrogram. Both are linear, so their order is free, and this one projects a fifth of the frames.
    - Tgram: features of the waveform itself.
    - The log-mel spectrogram.

    Each is 128 by frames. As decibels and learned features are of very different size, each channel is normalised by
    its mean and deviation over the training set (batch normalisation without weights).

    Args:
        encoder: The BEATs encoder, for one length of window.
    """

    def __init__(self, encoder: TrainableBeats) -> None:
        super().__init__()
        beats = encoder.encoder
        self.encoder: TrainableBeats | Beats = encoder
        self.mel_blocks = beats.mel_blocks
        self.spectrogram = SlaneyLogMel()
        frames = self.spectrogram.frames(beats.samples)
        self.project = nn.Linear(beats.dimensions, MEL_BINS)
        self.interpolate = TimeInterpolation(beats, frames)
        self.tgram = TgramNet()
        self.normalise = nn.BatchNorm2d(3, affine=False)
        self.backbone = MobileFaceNet(MEL_BINS, frames, DIMENSIONS)

    def forward(self, waveform: Tensor) -> Tensor:
        """Embed ``(batch, samples)`` in [-1, 1]."""
        embedding: Tensor = self.backbone(self.modalities(waveform))
        return embedding

    def modalities(self, waveform: Tensor) -> Tensor:
        """Compute the three pictures of ``(batch, samples)``, normalised: ``(batch, 3, 128, frames)``."""
        blocks = self.project(over_mel_blocks(self.encoder(waveform), self.mel_blocks))  # (batch, time blocks, 128)
        beats = self.interpolate(blocks.transpose(1, 2))
        pictures = torch.stack([beats, self.tgram(waveform), self.spectrogram(waveform)], dim=1)
        normalised: Tensor = self.normalise(pictures)
        return normalised

    def learned(self) -> dict[str, Tensor]:
        """Take the weights that training changes, which a file keeps; the others come from the checkpoint."""
        trained = {name for name, weight in self.named_parameters() if weight.requires_grad}
        statistics = ("running_mean", "running_var")
        return {
            name: weight for name, weight in self.state_dict().items() if name in trained or name.endswith(statistics)
        }


@dataclass(frozen=True)
class MmDiscriminativeOrigin:
    """What the file of the weights says about their training."""

    unfreeze: str
    """the part of BEATs that was trained, one of `UNFREEZE`"""
    samples: int
    """the length of the window in samples at 16 kHz"""
    checkpoint_sha256: str
    """the digest of the BEATs checkpoint that training began from, which has the other weights"""

    def __post_init__(self) -> None:
        if self.unfreeze not in UNFREEZE:
            raise TypeError(f"unfreeze is one of {UNFREEZE}, not {self.unfreeze!r}")


def load_mm_discriminative(weights: Path, checkpoint: Path) -> tuple[MmDiscriminative, MmDiscriminativeOrigin]:
    """Read the weights that training wrote.

    Args:
        weights: The ``.pt`` file. Nothing in it is executed.
        checkpoint: The BEATs checkpoint that training began from.

    Raises:
        ModelError: A file cannot be read or is not what it should be, or the checkpoint is another.
    """
    loaded = dict(read_weights(weights, "a trained mm-discriminative", _TRAIN_ONE))
    origin = parse_origin(MmDiscriminativeOrigin, loaded.pop("origin", None), weights, _TRAIN_ONE)
    digest = file_sha256(checkpoint) if checkpoint.is_file() else None
    if digest not in (None, origin.checkpoint_sha256):
        raise ModelError(
            "The weights were trained from another checkpoint.",
            got=f"a checkpoint with SHA-256 {digest}",
            valid=f"the one with {origin.checkpoint_sha256}",
            next_step="give that checkpoint, or train with this one",
        )
    model = MmDiscriminative(load_trainable(checkpoint, origin.unfreeze, origin.samples))
    shapes = {name: tuple(weight.shape) for name, weight in model.learned().items()}
    model.load_state_dict(check_weights(loaded, iter(shapes.items()), weights, _TRAIN_ONE), strict=False)
    return model.eval(), origin


def export_mm_discriminative(weights: Path, checkpoint: Path, output: Path, target: str = "cpu") -> ModelInfo:
    """Write a trained system as one ONNX file, whole or not at all.

    Args:
        weights: The file that `asd-edge train mm-discriminative` wrote.
        checkpoint: The BEATs checkpoint that training began from.
        output: The file to write.
        target: One of `OPSETS`: the graph for ``cuda`` runs on other providers than the CPU's, too.

    Returns:
        What the file says of itself, with the difference from PyTorch that was measured.

    Raises:
        InputError: There is no such target, or the path cannot be written.
        ModelError: The weights or the checkpoint cannot be used.
    """
    check_writable(output)
    log.info("Reading %s ...", checkpoint)
    return export_model(*build_mm_discriminative(weights, checkpoint, target), output)


def build_mm_discriminative(weights: Path, checkpoint: Path, target: str = "cpu") -> tuple[MmDiscriminative, ModelInfo]:
    """Make the module to export, and what its file says of itself.

    Args:
        weights: The file that `asd-edge train mm-discriminative` wrote.
        checkpoint: The BEATs checkpoint that training began from.
        target: One of `OPSETS`, the execution provider.

    Raises:
        InputError: There is no such target.
        ModelError: The weights or the checkpoint cannot be used.
    """
    require_target(target)
    model, origin = load_mm_discriminative(weights, checkpoint)
    encoder = cast(TrainableBeats, model.encoder).finished()
    prepare_encoder(encoder, target)
    model.encoder = encoder
    info = ModelInfo(
        recipe=f"{NAME}-{origin.unfreeze}",
        samples=origin.samples,
        dimensions=DIMENSIONS,
        scorer="gmm",
        checkpoint_sha256=file_sha256(weights),
        layers=len(encoder.layers),
        target=target,
        opset=OPSETS[target],
    )
    return model.eval(), info
