"""How loud a sound is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

SILENCE_DBFS = -120.0
"""The level that is shown for digital silence, below the noise of any converter."""
LARGEST_SAMPLE = 2.0**31
"""The largest magnitude that is taken for sound: that of 32-bit integers which nobody scaled. What is larger is no
number, or a wrong bit, and the rounding of every sum that it enters would drown the sound around it."""


def level_dbfs(samples: FloatArray) -> float:
    """The level of samples of any shape: root mean square without DC, in decibels relative to an RMS of 1.

    A full-scale sine has -3. Samples that are no sound (see `is_sound`) are left out.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        power = float(np.var(samples)) if samples.size else 0.0
    if not np.isfinite(power):
        return level_dbfs(samples[is_sound(samples)])
    return max(SILENCE_DBFS, 10.0 * float(np.log10(power))) if power > 0 else SILENCE_DBFS


def is_sound(samples: FloatArray) -> NDArray[np.bool_]:
    """Tell which samples can be sound: the finite ones that are no larger than `LARGEST_SAMPLE`."""
    return np.asarray(np.abs(samples) <= LARGEST_SAMPLE)
