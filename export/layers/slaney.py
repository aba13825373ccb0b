"""The log-mel spectrogram of the DCASE baselines, which librosa computes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.export.layers.log_mel import LogMel, fourier

FRAME_SAMPLES = 1024
HOP_SAMPLES = 512
MEL_BINS = 128
POWER_FLOOR = float(np.finfo(np.float64).eps)

_BINS = FRAME_SAMPLES // 2 + 1
_LINEAR_HZ = 200.0 / 3.0
"""The width of one mel of Slaney's scale, which is linear up to `_BREAK_HZ`."""
_BREAK_HZ = 1000.0
_LOG_STEP = math.log(6.4) / 27.0
"""The logarithm of the step of one mel above `_BREAK_HZ`, where 27 mels are a factor of 6.4."""


class SlaneyLogMel(LogMel):
    """128 mel bins of frames of 1024 samples, every 512, in decibels of power.

    Hann's window, zeros before and behind the sound so that the first frame is centred at its start, and Slaney's mel
    bins of equal area. 160,000 samples give ``(batch, 128, 313)``.
    """

    def __init__(self) -> None:
        super().__init__(
            frame_transform(), mel_filters(), HOP_SAMPLES, POWER_FLOOR, around=FRAME_SAMPLES // 2, mirrored=True
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` in [-1, 1] to ``(batch, 128, frames)`` in decibels."""
        return super().forward(waveform) * (10.0 / math.log(10.0))


def frame_transform() -> NDArray[np.float64]:
    """Make the map from a frame of samples to its spectrum: (2, 513, 1024), real parts, then imaginary parts."""
    hann = 0.5 - 0.5 * np.cos(2.0 * math.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)
    return np.asarray(fourier(FRAME_SAMPLES, FRAME_SAMPLES) * hann)


def mel_filters() -> NDArray[np.float64]:
    """Make Slaney's triangles from 0 to 8000 Hz, straight lines in Hz and of equal area: (128, 513)."""
    top = _mel(SAMPLE_RATE_HZ / 2.0)
    edges = _hz(np.linspace(0.0, top, MEL_BINS + 2))
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    hz = np.arange(_BINS) * (SAMPLE_RATE_HZ / FRAME_SAMPLES)
    triangles = np.maximum(0.0, np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)))
    return np.asarray(triangles * (2.0 / (right - left)))


def _mel(hz: float) -> float:
    """Convert a frequency from `_BREAK_HZ` on to Slaney's mel."""
    return _BREAK_HZ / _LINEAR_HZ + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = mel - _BREAK_HZ / _LINEAR_HZ
    return np.where(above < 0.0, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * above))
