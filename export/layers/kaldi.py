"""Kaldi's log-mel spectrogram, the front end of BEATs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.export.layers.log_mel import LogMel, fourier

FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FFT_POINTS = 512
MEL_BINS = 128
LOW_HZ = 20.0
PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
INT16_SCALE = 2.0**15
"""Kaldi works on samples that are 16-bit integers."""
POWER_FLOOR = float(np.finfo(np.float32).eps)

_SPECTRUM_BINS = FFT_POINTS // 2 + 1


class KaldiLogMel(LogMel):
    """Log-mel spectrogram as Kaldi's ``fbank`` computes it: 25 ms frames every 10 ms, no dither, edges snipped.

    Scaling to 16-bit integers, DC removal, pre-emphasis, the Povey window and the Fourier transform fold into one
    matrix each for real and imaginary parts. 160,000 samples give ``(batch, 128, 998)``.
    """

    def __init__(self) -> None:
        super().__init__(frame_transform(), mel_filters(), HOP_SAMPLES, POWER_FLOOR)


def frame_transform() -> NDArray[np.float64]:
    """Make the map from a frame of samples in [-1, 1] to its spectrum: (2, 257, 400), real, then imaginary parts."""
    remove_dc = np.eye(FRAME_SAMPLES) - 1.0 / FRAME_SAMPLES
    # y[0] = x[0] - 0.97 x[0]: Kaldi repeats the first sample to have one before it.
    emphasise = np.eye(FRAME_SAMPLES) - PRE_EMPHASIS * np.eye(FRAME_SAMPLES, k=-1)
    emphasise[0, 0] -= PRE_EMPHASIS
    n = np.arange(FRAME_SAMPLES)
    povey = (0.5 - 0.5 * np.cos(2.0 * math.pi * n / (FRAME_SAMPLES - 1))) ** POVEY_EXPONENT
    transform: NDArray[np.float64] = INT16_SCALE * (fourier(FFT_POINTS, FRAME_SAMPLES) * povey) @ emphasise @ remove_dc
    return transform


def mel_filters() -> NDArray[np.float64]:
    """Make Kaldi's triangles, straight lines in mel: (128, 257). No triangle gives weight to the bin at 8000 Hz.

    The fourth triangle is narrower than the distance between two bins of the spectrum and holds none of them: it is
    empty, and its output is always at the floor.
    """
    low, high = _mel(np.array([LOW_HZ, SAMPLE_RATE_HZ / 2.0]))
    edges = low + (high - low) / (MEL_BINS + 1) * np.arange(MEL_BINS + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    mels = _mel(np.arange(_SPECTRUM_BINS) * SAMPLE_RATE_HZ / FFT_POINTS)[None, :]
    filters = np.maximum(0.0, np.minimum((mels - left) / (centre - left), (right - mels) / (right - centre)))
    filters[:, -1] = 0.0
    return np.asarray(filters)


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(hz / 700.0)
