"""Kaldi's log-mel spectrogram as one matrix, the front end of BEATs."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FFT_POINTS = 512
MEL_BINS = 128
LOW_HZ = 20.0
PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
INT16_SCALE = 2.0**15
"""Kaldi hears 16-bit integers."""
POWER_FLOOR = float(np.finfo(np.float32).eps)

_SPECTRUM_BINS = FFT_POINTS // 2 + 1


class KaldiLogMel(nn.Module):
    """Log-mel spectrogram as Kaldi's ``fbank`` computes it: 25 ms frames every 10 ms, no dither, edges snipped.

    All of it up to the power spectrum is linear: scaling to 16-bit integers, DC removal, pre-emphasis, the Povey
    window and the Fourier transform fold into one matrix. It is applied in double precision: beside a loud tone or a
    slow rumble, quiet bins lie 130 dB lower, where single precision has nothing left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("transform", torch.from_numpy(frame_transform().T.copy()))
        self.register_buffer("mel", torch.from_numpy(mel_filters()))
        self.transform: Tensor
        self.mel: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` in [-1, 1] to ``(batch, 128, frames)`` in natural log of power.

        160,000 samples give 998 frames.
        """
        samples = waveform.shape[1]
        frames = (samples - FRAME_SAMPLES) // HOP_SAMPLES + 1
        # A frame is two and a half hops: rows of one hop, each beside the next and half of the one after.
        used = nn.functional.pad(waveform, (0, max(0, (frames + 2) * HOP_SAMPLES - samples)))
        rows = used[:, : (frames + 2) * HOP_SAMPLES].to(torch.float64).reshape(-1, frames + 2, HOP_SAMPLES)
        rest = FRAME_SAMPLES - 2 * HOP_SAMPLES
        framed = torch.cat([rows[:, :-2], rows[:, 1:-1], rows[:, 2:, :rest]], dim=2)  # (batch, frames, 400)
        spectrum = torch.matmul(framed, self.transform)  # (batch, frames, 514): real parts, then imaginary parts
        power = spectrum[:, :, :_SPECTRUM_BINS].square() + spectrum[:, :, _SPECTRUM_BINS:].square()
        energy = torch.matmul(self.mel, power.transpose(1, 2))
        return torch.clamp(energy, min=POWER_FLOOR).log().to(torch.float32)


def frame_transform() -> NDArray[np.float64]:
    """The matrix from a frame of samples in [-1, 1] to its spectrum: (514, 400), real parts above imaginary parts."""
    remove_dc = np.eye(FRAME_SAMPLES) - 1.0 / FRAME_SAMPLES
    # y[0] = x[0] - 0.97 x[0]: Kaldi repeats the first sample to have one before it.
    emphasise = np.eye(FRAME_SAMPLES) - PRE_EMPHASIS * np.eye(FRAME_SAMPLES, k=-1)
    emphasise[0, 0] -= PRE_EMPHASIS
    n = np.arange(FRAME_SAMPLES)
    povey = (0.5 - 0.5 * np.cos(2.0 * math.pi * n / (FRAME_SAMPLES - 1))) ** POVEY_EXPONENT
    # Angles from integers modulo the period stay exact where k n is large.
    angles = 2.0 * math.pi / FFT_POINTS * (np.outer(np.arange(_SPECTRUM_BINS), n) % FFT_POINTS)
    fourier = np.concatenate([np.cos(angles), -np.sin(angles)])
    transform: NDArray[np.float64] = INT16_SCALE * (fourier * povey) @ emphasise @ remove_dc
    return transform


def mel_filters() -> NDArray[np.float64]:
    """Kaldi's triangles, straight lines in mel: (128, 257). The bin at Nyquist has no weight in any.

    The fourth triangle is narrower than the distance between two bins of the spectrum and holds none: it is empty,
    and its output always at the floor.
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
