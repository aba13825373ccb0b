"""Sounds that are always the same, by whose embeddings a newer file of a model is known as the same model.

A bank keeps what its model gave for them. A file with another digest, exported again or shipped with a newer version of
this program, may use the bank where it gives the same, see `asd_edge.calibration.bank.bank.Bank.check_model`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray

PEAK = 0.2
"""The largest sample of each sound: well below clipping, as recordings are."""
_HUMS_HZ = (50.0, 73.0)
_OVERTONES = 8


def probe_sounds(samples: int) -> FloatArray:
    """Make the known sounds: two hums, one of them with knocks, white noise, and noise that comes and goes.

    They are the same with every version of NumPy, whose generators promise their bits but not their distributions.

    Args:
        samples: The length of each in samples at 16 kHz.

    Returns:
        (sounds, samples) float32.
    """
    t = np.arange(samples) / SAMPLE_RATE_HZ
    hums = [sum(np.sin(2.0 * np.pi * hz * k * t) / k for k in range(1, _OVERTONES + 1)) for hz in _HUMS_HZ]
    knocks = np.exp(-40.0 * (t % 0.5)) * np.sin(2.0 * np.pi * 2000.0 * t)
    noise, floor = _noise(1, samples), _noise(2, samples)
    swelling = noise * (1.0 + np.sin(2.0 * np.pi * 3.0 * t))
    sounds = np.stack([hums[0], hums[1] + 2.0 * knocks, noise, swelling]) + 0.01 * floor
    return np.asarray(PEAK * sounds / np.abs(sounds).max(axis=1, keepdims=True), np.float32)


def _noise(seed: int, samples: int) -> NDArray[np.float64]:
    """White noise, evenly distributed in [-1, 1]."""
    bits = np.random.PCG64(seed).random_raw(samples)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-52 - 1.0)
