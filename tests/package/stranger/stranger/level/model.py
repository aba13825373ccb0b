"""What the system computes, and what it learns from."""

import numpy as np
import torch
from torch import nn

from asd_edge.calibration.audio.windowing import read_windows


class LevelNetwork(nn.Module):
    """Two numbers of a window, and how far the first is from its level in decibels over 100."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 2)

    def forward(self, waveform):
        level = waveform.square().mean(dim=1, keepdim=True).clamp(min=1e-10).log10() / 10.0
        return {"loss": (self.linear(level)[:, :1] - level).square().mean()}

    def as_model(self):
        return _LevelModel(self.linear).eval()


class _LevelModel(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, waveform):
        level = waveform.square().mean(dim=1, keepdim=True).clamp(min=1e-10).log10() / 10.0
        return self.linear(level)


class Windows:
    """The first window of every clip."""

    def __init__(self, paths, samples, channel):
        self._sound = np.stack([read_windows(path, samples, channel)[0] for path in paths])

    def __len__(self):
        return len(self._sound)

    def __getitem__(self, rows):
        return (torch.from_numpy(self._sound[rows]),)
