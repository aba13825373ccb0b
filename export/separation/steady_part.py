"""The steady part of a sound and the rest: the prior that a separator learns from where no part is recorded alone."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from asd_edge.export.separation.tf_locoformer import Stft

_FRAME, _HOP = 1024, 256
"""The lengths of a frame and a hop in samples. 64 ms tell the harmonics of a machine apart, and a knock of a few
milliseconds spoils few frames."""
_SMOOTHED = (3, 5)
"""The bins and frames that power is averaged over, so that the chance peaks of noise do not count as events."""
_MEDIAN_OF_NOISE = math.log(2.0)
"""The median power of Gaussian noise relative to its mean: the power is exponentially distributed."""


def split_by_steadiness(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take a sound apart into what is steady over its length, and the rest.

    The steady power S of a frequency is the median over time of the power there, over ln 2. With P the power at a time
    and a frequency, averaged over its neighbours, the steady part has the share S / max(S, P) of the spectrogram: all
    of it up to the steady power, and of what rises above as a Wiener filter lets through.

    Args:
        sound: The sound, ``(samples,)``, a second or longer.

    Returns:
        The steady part and the rest, ``(2, samples)``, which add up to the sound.
    """
    transform = Stft(_FRAME, _HOP)
    waveform = torch.from_numpy(sound)[None]
    spectrum = transform(waveform)  # (1, bins, frames)
    power = spectrum.abs().square()
    steady_power = power.median(dim=2, keepdim=True).values / _MEDIAN_OF_NOISE
    around = tuple(size // 2 for size in _SMOOTHED)
    local = torch.nn.functional.avg_pool2d(power, _SMOOTHED, stride=1, padding=around, count_include_pad=False)
    share = steady_power / torch.maximum(steady_power, local).clamp(min=torch.finfo(torch.float32).tiny)
    steady = transform.inverse(share * spectrum, len(sound))
    return torch.cat([steady, waveform - steady]).numpy()
