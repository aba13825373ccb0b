"""How loud a sound is."""

from __future__ import annotations

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray

SILENCE_DBFS = -120.0
"""The level that is shown for digital silence, below the noise of any converter."""


def level_dbfs(samples: FloatArray) -> float:
    """The level of samples of any shape: root mean square without DC, in decibels relative to an RMS of 1.

    A full-scale sine has -3.
    """
    power = float(np.var(samples)) if samples.size else 0.0
    return max(SILENCE_DBFS, 10.0 * float(np.log10(power))) if power > 0 else SILENCE_DBFS
