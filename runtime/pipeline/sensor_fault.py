"""Whether the microphone hears at all: a broken sensor says nothing about the machine, neither normal nor anomalous."""

from __future__ import annotations

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray

CLIPPED_AMPLITUDE = 0.999
"""The amplitude from which on a sample counts as clipped: the largest 16-bit value is 0.99997, and drivers round."""
CLIPPED_FRACTION = 0.01
"""The share of clipped samples above which distortion spoils the spectrum."""
BEYOND_FULL_SCALE = 16.0
"""The amplitude from which on samples were never scaled to [-1, 1]. Recorders that write floating point leave above 1
what was louder than they were set for, by some decibels; this is 24."""
DC_OFFSET = 0.5
"""The mean of the samples, as a share of full scale, from which on the converter or its wiring is at fault. Half of the
range is lost with it; working converters have a hundredth of this."""
FROZEN_S = 0.5
"""The time in seconds after which constant sound is a fault: a live converter dithers between steps many times in it,
even in a quiet room."""


def sensor_fault(samples: FloatArray, rate_hz: int) -> str | None:
    """Say what is wrong with a window as the device gave it, before resampling hides it.

    Args:
        samples: The sound of the window, (frames,), at the device's own rate.
        rate_hz: The rate of the device.

    Returns:
        The fault in words; none where the sensor worked.
    """
    # One pass for the extremes of each piece; they rule out almost everything. Pieces are half as long as what counts
    # as frozen: every longer constant stretch holds a whole one, and a true one is then measured.
    piece = max(1, int(FROZEN_S * rate_hz) // 2)
    edge = len(samples) // piece * piece
    pieces = samples[:edge].reshape(-1, piece)
    low, high = pieces.min(axis=1), pieces.max(axis=1)
    extremes = np.concatenate([low, high, samples[edge:]])
    if not np.isfinite(extremes).all():
        return "values that are not numbers"
    # An offset and clipping both hold a constant stretch at times, a frozen window is nothing but that.
    frozen = _frozen(samples, rate_hz) if (low == high).any() else None
    peak = float(np.abs(extremes).max())
    clipped = 0.0
    if peak >= CLIPPED_AMPLITUDE:
        if _never_scaled(samples, peak):
            bits = next((bits for bits in (8, 16, 24) if peak <= 1 << bits - 1), 32)
            return f"sound in another scale than -1 to 1 at a peak of {peak:.6g}, as {bits}-bit integers have it"
        clipped = np.count_nonzero(np.abs(samples) >= CLIPPED_AMPLITUDE) / len(samples)
    mean = float(samples.mean(dtype=np.float64))
    swing = max(float(extremes.max()) - mean, mean - float(extremes.min()))
    if swing > 0 and (abs(mean) > DC_OFFSET or (clipped > CLIPPED_FRACTION and swing < abs(mean))):
        return f"a DC offset at {mean:.2f} of full scale"
    if swing > 0 and clipped > CLIPPED_FRACTION:
        return f"clipping on {100 * clipped:.1f} % of samples"
    return frozen


def _never_scaled(samples: FloatArray, peak: float) -> bool:
    """Whether the samples are integers of a converter, or lie as far from 1 as these."""
    if peak >= BEYOND_FULL_SCALE:
        return True
    integers = bool((samples == np.rint(samples)).all())
    return integers and (peak > 1.0 or bool((np.abs(samples) != peak).any()))


def _frozen(samples: FloatArray, rate_hz: int) -> str | None:
    """The longest constant stretch in words, if it is long enough to be a fault."""
    changes = np.flatnonzero(np.diff(samples)) + 1
    edges = np.concatenate([[0], changes, [len(samples)]])
    longest = int(np.argmax(np.diff(edges)))
    duration_s = float(edges[longest + 1] - edges[longest]) / rate_hz
    if duration_s < FROZEN_S:
        return None
    value = float(samples[edges[longest]])
    return f"digital zeros for {duration_s:.1f} s" if value == 0 else f"frozen at {value:.3g} for {duration_s:.1f} s"
