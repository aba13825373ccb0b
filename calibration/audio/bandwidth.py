"""How far up sound reaches: above that there is nothing, not even the noise of a microphone.

A microphone or a driver with a lower rate, a telephone line, a headset or a lossy codec cuts sound off at some
frequency. A machine that is quiet up there does not: the noise of every microphone goes on, and what machines radiate
falls off over octaves. So a cut shows as a cliff into nothing. A soft filter has no cliff; it shows only beside other
sound of the same machine, as what is passed stays alike and what is filtered falls away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray

BANDS = 64
"""The number of bands, each 125 Hz wide, from 0 to 8 kHz."""
FULL_HZ = SAMPLE_RATE_HZ / 2
_BAND_HZ = FULL_HZ / BANDS
_SEGMENT = 2048
"""The samples of a segment of the periodogram: sixteen bins a band, so that a Hann window's leakage stays inside."""
_LEAST_DB = -200.0
_EMPTY_DBFS = -95.0
"""Below this level there is nothing: white noise of rounding to 16 bits has -101 dBFS, with dither -96, and the noise
of a microphone lies above. Levels are those of white noise that is as strong in all bands."""
CLIFF_DB = 20.0
"""A cut falls so many decibels within half a kilohertz. Sound of a machine that falls by 48 dB an octave, which is
steep, falls by 13 there."""
SURE_CLIFF_DB = 30.0
"""So many are a cut even where nothing is known of the machine."""
_LOWEST_CUT, _HIGHEST_CUT = 8, 57
"""The bands at whose lower edges a cut is looked for, 1 to 7.1 kHz: higher up, converters of the rate cut by
themselves, and not all at the same place."""
_FAR_HZ = 500.0
"""A difference of so much is told. It is two edges' uncertainty, and at 7 kHz it is a sixth of an octave."""
_LOUDEST_PASS_DB = 3.0
"""Up to so much the levels of two recordings of one machine differ in the bands that a filter passes."""
_FILTERED_DB = 15.0
"""So much weaker at 7 kHz than what is passed: what a filter of second order leaves of three octaves is half of it."""
_SLOPE_HZ = 1500.0
"""A cut that lies further above the frequency at which sound begins to fall is the end of a soft filter's slope."""
_STAYS = 0.5
"""What a filter has taken away stays away further up, at least by this share of it."""
_TOP = slice(50, 58)
"""The bands from 6.25 to 7.25 kHz."""


def band_levels_db(samples: FloatArray) -> FloatArray:
    """The level of each band over a piece of sound.

    Args:
        samples: (samples,) at 16 kHz in [-1, 1].

    Returns:
        (`BANDS`,) in decibels relative to full scale: the level that white noise as strong as this band would have.
    """
    count = max(1, 2 * (len(samples) // _SEGMENT) - 1)
    padded = np.zeros(max(len(samples), _SEGMENT), np.float32)
    padded[: len(samples)] = samples
    rows = np.lib.stride_tricks.sliding_window_view(padded, _SEGMENT)[:: _SEGMENT // 2][:count]
    window = np.hanning(_SEGMENT)
    power = np.abs(np.fft.rfft(rows * window, axis=1)) ** 2
    density = power.mean(axis=0)[:-1].reshape(BANDS, -1).mean(axis=1) / (window**2).sum()
    levels = 10.0 * np.log10(np.maximum(density, 10.0 ** (_LEAST_DB / 10.0)))
    return np.asarray(levels, np.float32)


def reach_hz(levels_db: Sequence[float] | FloatArray, cliff_db: float = CLIFF_DB) -> float:
    """The frequency above which there is nothing; `FULL_HZ` where sound reaches all the way up, or falls off slowly.

    Args:
        levels_db: (`BANDS`,) as `band_levels_db` gives them.
        cliff_db: How many decibels sound falls at a cut. Beside other sound of the same machine `CLIFF_DB` are enough;
            alone, only a `SURE_CLIFF_DB` tells a cut from a quiet machine.
    """
    levels = np.asarray(levels_db)
    for band in range(_LOWEST_CUT, _HIGHEST_CUT + 1):
        below, above = float(np.median(levels[band - 6 : band - 1])), float(levels[band + 2 :].max())
        if above <= _EMPTY_DBFS and below - above >= cliff_db:
            return band * _BAND_HZ
    return FULL_HZ


@dataclass(frozen=True)
class BandwidthDifference:
    """Sound that reaches less far up than other sound of the same machine, or further."""

    hz: float
    """how far up the sound reaches, or from where on it falls away"""
    other_hz: float
    """the same of the sound that it is compared with"""
    soft: bool = False
    """whether it falls away slowly, as behind a soft filter, so that the machine itself may have become duller"""


def compare_bandwidth(
    levels_db: Sequence[float] | FloatArray, other_db: Sequence[float] | FloatArray
) -> BandwidthDifference | None:
    """Whether sound reaches less far up than other sound of the same machine, or further.

    Args:
        levels_db: (`BANDS`,) the levels of the sound.
        other_db: (`BANDS`,) the levels of the other sound, such as what a bank remembers.

    Returns:
        What is different; none where both are alike, and where the other sound had nothing up there to miss.
    """
    levels, other = np.asarray(levels_db), np.asarray(other_db)
    hz, other_hz = reach_hz(levels), reach_hz(other)
    falls_from = _falls_from_hz(other - levels)
    if falls_from is not None and falls_from < hz - _SLOPE_HZ:
        return BandwidthDifference(falls_from, other_hz, soft=True)
    if abs(hz - other_hz) < _FAR_HZ:
        return None
    first, end = (int(each / _BAND_HZ) for each in sorted((hz, other_hz)))
    between = slice(first + 2, max(first + 5, min(end, _TOP.stop)))
    lost = float(np.median(other[between] - levels[between])) * (1.0 if hz < other_hz else -1.0)
    return BandwidthDifference(hz, other_hz) if lost >= CLIFF_DB else None


def _falls_from_hz(weaker: FloatArray) -> float | None:
    """From where on a filter takes away; none where what lies below is not alike, or what lies above not much weaker.

    Args:
        weaker: (`BANDS`,) how many decibels the sound is weaker than the other.
    """
    for band in range(_TOP.start - 2, _LOWEST_CUT - 1, -1):
        passed = weaker[2:band]
        middle = float(np.median(passed))
        if np.percentile(np.abs(passed - middle), 90) > _LOUDEST_PASS_DB:
            continue
        fallen = _smooth(weaker[band : _TOP.stop]) - middle
        stays = bool(np.all(fallen >= _STAYS * np.maximum.accumulate(fallen) - _LOUDEST_PASS_DB))
        return band * _BAND_HZ if stays and float(np.median(weaker[_TOP])) - middle >= _FILTERED_DB else None
    return None


def _smooth(levels: FloatArray) -> FloatArray:
    """The medians of eight bands each, a kilohertz, from the top down."""
    whole = len(levels) // 8 * 8
    return np.asarray(np.median(levels[len(levels) - whole :].reshape(-1, 8), axis=1))
