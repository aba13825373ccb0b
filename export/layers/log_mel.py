"""Log-mel spectrograms as products with matrices, which run inside the exported graph."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class LogMel(nn.Module):
    """Computes ln max(mel |transform frame|^2, floor) of every frame.

    Everything in a spectrogram up to the power is linear, and folds into one matrix for the real and one for the
    imaginary parts. These matrices are applied in double precision: beside a loud tone or a slow rumble, quiet bins lie
    130 dB lower, where single precision has no digits left.

    Args:
        transform: The map from a frame of samples to its spectrum, ``(2, bins, frame)``: the real parts, then the
            imaginary parts.
        mel: The weight of every bin of the power spectrum in every mel bin, ``(mel bins, bins)``.
        hop: The number of samples from one frame to the next.
        floor: The smallest power; a smaller one is raised to it.
        around: The number of zeros before the sound and behind it.
        mirrored: Whether the transform is that of a window which is 0 at a frame's first sample and symmetric about its
            middle. Samples as far before the middle as behind it then have the same real parts and opposite imaginary
            parts: their sums and differences are all that is needed, and halves of the matrices.
    """

    def __init__(
        self,
        transform: NDArray[np.float64],
        mel: NDArray[np.float64],
        hop: int,
        floor: float,
        around: int = 0,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        heard = mel.any(axis=0)
        self.frame: int = transform.shape[2]
        self.middle = self.frame // 2 if mirrored else None
        real, imaginary = (torch.from_numpy(part[heard].T.copy()) for part in transform)
        if self.middle is not None:
            real, imaginary = real[1 : self.middle + 1].clone(), imaginary[1 : self.middle + 1].clone()
            real[-1] *= 0.5  # the middle itself is its own mirror image: it comes twice, and its difference is 0
        self.register_buffer("real", real)
        self.register_buffer("imaginary", imaginary)
        self.register_buffer("mel", torch.from_numpy(mel[:, heard].T.copy()))
        self.real: Tensor
        self.imaginary: Tensor
        self.mel: Tensor
        self.hop = hop
        self.floor = floor
        self.around = around

    def frames(self, samples: int) -> int:
        """Count the frames that so many samples give."""
        return (samples + 2 * self.around - self.frame) // self.hop + 1

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform ``(batch, samples)`` in [-1, 1] to ``(batch, mel bins, frames)`` in natural log of power."""
        samples = waveform.shape[1]
        frames = self.frames(samples)
        # A frame is several hops, the last of them in part: rows of one hop, each beside those that follow it.
        follow = -(-self.frame // self.hop) - 1
        behind = max(self.around, (frames + follow) * self.hop - samples - self.around)
        used = nn.functional.pad(waveform, (self.around, behind))
        rows = used[:, : (frames + follow) * self.hop].to(torch.float64).reshape(-1, frames + follow, self.hop)
        beside = [rows[:, after : (after - follow) or None] for after in range(follow)]
        rest = self.frame - follow * self.hop
        framed = torch.cat([*beside, rows[:, follow:, :rest]], dim=2)  # (batch, frames, frame)
        even = odd = framed
        if self.middle is not None:
            left, right = framed[:, :, 1 : self.middle + 1], framed[:, :, self.middle :].flip(2)
            even, odd = left + right, left - right
        power = torch.matmul(even, self.real).square() + torch.matmul(odd, self.imaginary).square()
        energy = torch.matmul(power, self.mel).clamp(min=self.floor)
        return energy.to(torch.float32).log().transpose(1, 2)


def fourier(points: int, samples: int) -> NDArray[np.float64]:
    """The discrete Fourier transform of real samples, zeros behind them: ``(2, points // 2 + 1, samples)``.

    Real parts come first, then imaginary parts.
    """
    # Angles from whole numbers modulo the period stay exact where k n is large.
    angles = 2.0 * math.pi / points * (np.outer(np.arange(points // 2 + 1), np.arange(samples)) % points)
    return np.stack([np.cos(angles), -np.sin(angles)])
