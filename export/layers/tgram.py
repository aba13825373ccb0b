"""TgramNet: features of the waveform itself, frame by frame beside its spectrogram.

Liu, Guan, Zhu, Wang, "Anomalous sound detection using spectral-temporal information fusion" (STgram-MFN), ICASSP 2022,
section 2.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asd_edge.export.layers.slaney import FRAME_SAMPLES, HOP_SAMPLES

CHANNELS = 128
_LAYERS = 3
_SLOPE = 0.2
"""The slope of the leaky ReLU for negative values."""
_EPSILON = 1e-10
"""What is added to a variance: the power of noise 100 dB below full scale, which 16 bits cannot tell from silence."""


class TgramNet(nn.Module):
    """A learned filter bank on the waveform and three layers of convolution over time.

    A convolution of 1024 samples every 512 gives as many channels and frames as `SlaneyLogMel`, centred at the same
    samples. Three blocks follow, of layer norm over time, leaky ReLU and a convolution of three frames; convolutions
    have no bias. In the paper the gain and the shift of the layer norm belong to the frames, which ties the weights to
    one length of window; here they belong to the channels. As the norm is over time, the gain of the microphone
    cancels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv1d(1, CHANNELS, FRAME_SAMPLES, HOP_SAMPLES, FRAME_SAMPLES // 2, bias=False)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    _NormOverTime(), nn.LeakyReLU(_SLOPE), nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
                )
                for _ in range(_LAYERS)
            )
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` in [-1, 1] to ``(batch, 128, frames)``."""
        features: Tensor = self.blocks(self.filters(waveform[:, None]))
        return features


class _NormOverTime(nn.Module):
    """Mean 0 and deviation 1 of every channel over the frames of a window, then a gain and a shift of the channel."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(CHANNELS))
        self.shift = nn.Parameter(torch.zeros(CHANNELS))

    def forward(self, features: Tensor) -> Tensor:
        normed = nn.functional.layer_norm(features, features.shape[2:], eps=_EPSILON)
        return normed * self.gain[:, None] + self.shift[:, None]
