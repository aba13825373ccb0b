"""From BEATs' patches to the frames of the spectrogram beside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asd_edge.export.beats.encoder import Beats
from asd_edge.export.layers.kaldi import FRAME_SAMPLES, HOP_SAMPLES
from asd_edge.export.layers.slaney import HOP_SAMPLES as SPECTRAL_HOP_SAMPLES


class TimeInterpolation(nn.Module):
    """``(batch, channels, time blocks) -> (batch, channels, frames)``, a straight line from block to block.

    A frame takes the value of the moment at its centre; before the centre of the first block and behind that of the
    last, their values. The product with a matrix runs on every execution provider.

    Args:
        encoder: Whose time blocks.
        frames: Of the spectrogram, whose frame j is centred at its sample 512 j.
    """

    def __init__(self, encoder: Beats, frames: int) -> None:
        super().__init__()
        first = ((encoder.side - 1) * HOP_SAMPLES + FRAME_SAMPLES) / 2  # the centre of the first block, in samples
        place = (torch.arange(frames) * SPECTRAL_HOP_SAMPLES - first) / (encoder.side * HOP_SAMPLES)
        place = place.clamp(0.0, encoder.time_blocks - 1.0)  # in blocks
        distance = (torch.arange(encoder.time_blocks)[:, None] - place).abs()
        self.register_buffer("weights", (1.0 - distance).clamp(min=0.0))  # (time blocks, frames)
        self.weights: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Interpolate."""
        return torch.matmul(features, self.weights)


def over_mel_blocks(patches: Tensor, mel_blocks: int) -> Tensor:
    """The mean over the mel blocks of each time block: ``(batch, patches, dim) -> (batch, time blocks, dim)``."""
    batch, count, dim = patches.shape
    return patches.reshape(batch, count // mel_blocks, mel_blocks, dim).mean(dim=2)
