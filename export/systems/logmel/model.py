"""The default model, which is part of the package: statistics of the log-mel spectrogram, without any training.

What was tried, on real machines and on synthetic faults mixed into real normal sound, stands in
``benchmarks/README.md``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.export.layers.kaldi import KaldiLogMel, mel_filters

RECIPE = "logmel"
WINDOW_SAMPLES = 160_000
LAGS = (32, 64)
"""The numbers of frames between which changes are measured, 0.32 s and 0.64 s: long enough for a modulation, a knock or
a rattle to come and go, too short for the drift of load and room. Any lag from 0.3 s to 1 s serves about as well."""
SQUARE_FLOOR = 1e-6
"""The number under a root that keeps its slope finite where nothing changes; a change of 0.001 in log power cannot be
heard."""


class LogMelStatistics(nn.Module):
    """How much each mel bin changes over time, and the shape of the mean spectrum.

    With X the log-mel spectrogram of the 127 mel bins that are not empty::

        u_k[f] = sqrt(mean_t (X[t + k, f] - X[t, f])^2 + 1e-6)    for k = 32 and 64 frames
        m[f]   = mean_t X[t, f] - mean_{t, f} X[t, f]
        e      = [u_32; u_64; m]

    Neither part changes with the gain of the microphone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spectrogram = KaldiLogMel()
        live = np.flatnonzero(mel_filters().any(axis=1))
        # An empty bin stays at the floor: left in, it would tie the removed level to the gain.
        self.spectrogram.mel = self.spectrogram.mel[:, torch.from_numpy(live)]
        self.dimensions = (len(LAGS) + 1) * len(live)

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` to ``(batch, 381)``."""
        x = self.spectrogram(waveform)  # (batch, 127, frames)
        changes = [(x[:, :, lag:] - x[:, :, :-lag]).square().mean(dim=2).add(SQUARE_FLOOR).sqrt() for lag in LAGS]
        mean = x.mean(dim=2)
        return torch.cat([*changes, mean - mean.mean(dim=1, keepdim=True)], dim=1)


def build_logmel() -> tuple[LogMelStatistics, ModelInfo]:
    """Make the module to export, and what its file says of itself."""
    module = LogMelStatistics()
    return module, ModelInfo(RECIPE, WINDOW_SAMPLES, module.dimensions)
