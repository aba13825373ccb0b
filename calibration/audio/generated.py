"""Windows of computed sound, to compare models on where there are no recordings of real machines."""

from __future__ import annotations

import numpy as np

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray

GENERATED = 8
"""The number of windows in a set."""


def generated_windows(samples: int, seed: int = 0) -> FloatArray:
    """Make a set of windows: hums, noise, noise that comes and goes, hums with knocks; each is another sound.

    Args:
        samples: The length of a window, in samples at 16 kHz.
        seed: The number of the set; in others than 0 all frequencies are shifted.

    Returns:
        (`GENERATED`, samples) float32 in [-0.2, 0.2].
    """
    rng = np.random.default_rng(seed)
    shift = rng.uniform(0.7, 1.4) if seed else 1.0  # a factor of all frequencies
    t = np.arange(samples) / SAMPLE_RATE_HZ
    hums = [sum(np.sin(2.0 * np.pi * hz * shift * k * t) / k for k in range(1, 9)) for hz in (50.0, 73.0)]
    noise = rng.standard_normal((GENERATED, samples))
    knocks = np.exp(-40.0 * (t % 0.5)) * np.sin(2.0 * np.pi * 2000.0 * shift * t)
    swells = [noise[index] * (1.0 + np.sin(2.0 * np.pi * hz * shift * t)) for index, hz in ((2, 3.0), (3, 11.0))]
    rumble = np.cumsum(noise[1]) / 100.0
    clips = np.stack([*hums, noise[0], rumble - rumble.mean(), *swells, hums[0] + 2.0 * knocks, hums[1] + knocks])
    clips += 0.01 * noise
    return np.asarray(0.2 * clips / np.abs(clips).max(axis=1, keepdims=True), np.float32)
