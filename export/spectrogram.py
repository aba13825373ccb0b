"""Log-mel spectrograms as two matrices, which run inside the exported graph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class LogMel(nn.Module):
    """ln max(mel |transform frame|^2, floor) of every frame.

    All of a spectrogram up to the power is linear and folds into one matrix. It is applied in double precision: beside
    a loud tone or a slow rumble, quiet bins lie 130 dB lower, where single precision has nothing left.

    Args:
        transform: From a frame of samples to its spectrum, ``(2 bins, frame)``: real parts above imaginary parts.
        mel: Weight of every bin of the power spectrum in every mel bin, ``(mel bins, bins)``.
        hop: Samples from one frame to the next.
        floor: Power that counts for what is less.
        around: Zeros before and behind the sound.
    """

    def __init__(
        self, transform: NDArray[np.float64], mel: NDArray[np.float64], hop: int, floor: float, around: int = 0
    ) -> None:
        super().__init__()
        self.register_buffer("transform", torch.from_numpy(transform.T.copy()))
        self.register_buffer("mel", torch.from_numpy(mel))
        self.transform: Tensor
        self.mel: Tensor
        self.hop = hop
        self.frame: int = transform.shape[1]
        self.bins: int = mel.shape[1]
        self.floor = floor
        self.around = around

    def frames(self, samples: int) -> int:
        """How many frames that many samples give."""
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
        spectrum = torch.matmul(framed, self.transform)  # (batch, frames, 2 bins): real parts, then imaginary parts
        power = spectrum[:, :, : self.bins].square() + spectrum[:, :, self.bins :].square()
        # In this order: ONNX Runtime before 1.25 fuses a transposition into a product that it cannot do in double.
        energy = torch.matmul(power, self.mel.T.contiguous())
        return torch.clamp(energy, min=self.floor).log().to(torch.float32).transpose(1, 2)
