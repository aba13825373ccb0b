"""Faults that are mixed softly into normal sound, to choose between methods where no real faults tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray

Sound = NDArray[np.floating[Any]]

_TONE_DB = -28.0
_RESONANCE_DB, _RESONANCE_WIDTH = 3.0, 0.25
_RUBBING_DB = -20.0
_KNOCK_DB, _KNOCKS_PER_S, _KNOCK_DECAY_S = -4.0, 3.0, 0.006
_MODULATION_DEPTH = 0.12
_TILT_DB_PER_OCTAVE = 0.4
_EVENT_DB, _EVENT_S = -4.0, 0.4
"""The faults are this strong, relative to the sound they are mixed into: so weak that most methods miss many."""
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 5000.0


def add_fault(kind: str, sound: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Mix a fault into normal sound.

    Args:
        kind: One of `FAULTS`.
        sound: The normal sound, ``(samples,)`` at 16 kHz.
        rng: Where frequencies, phases and moments come from.

    Returns:
        The sound with the fault, ``(samples,)``.
    """
    return np.asarray(FAULTS[kind](sound.astype(np.float64), rng), np.float32)


def _pitch(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(_LOWEST_HZ), np.log(_HIGHEST_HZ))))


def _at_level(part: Sound, sound: Sound, decibels: float) -> Sound:
    """Bring a part to a level relative to that of the sound."""
    return np.asarray(part * 10.0 ** (decibels / 20.0) * np.sqrt((sound**2).mean() / (part**2).mean()))


def _tone(sound: Sound, rng: np.random.Generator) -> Sound:
    t = np.arange(len(sound)) / SAMPLE_RATE_HZ
    return sound + _at_level(np.sin(2.0 * np.pi * (_pitch(rng) * t + rng.random())), sound, _TONE_DB)


def _by_spectrum(sound: Sound, gain_db: Callable[[Sound], Sound]) -> Sound:
    """Change the level of each frequency."""
    frequencies = np.fft.rfftfreq(len(sound), 1.0 / SAMPLE_RATE_HZ)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * 10.0 ** (gain_db(frequencies) / 20.0), len(sound)))


def _resonance(sound: Sound, rng: np.random.Generator) -> Sound:
    octaves = np.log2(_pitch(rng))
    return _by_spectrum(
        sound,
        lambda hz: _RESONANCE_DB * np.exp(-0.5 * ((np.log2(np.maximum(hz, 1.0)) - octaves) / _RESONANCE_WIDTH) ** 2),
    )


def _rubbing(sound: Sound, rng: np.random.Generator) -> Sound:
    low = _pitch(rng)
    band = signal.butter(4, [low, 1.4 * low], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return sound + _at_level(signal.sosfilt(band, rng.standard_normal(len(sound))), sound, _RUBBING_DB)


def _knocks(sound: Sound, rng: np.random.Generator) -> Sound:
    struck = np.zeros(len(sound))
    period = round(SAMPLE_RATE_HZ / _KNOCKS_PER_S)
    struck[int(rng.integers(period)) :: period] = 1.0
    t = np.arange(round(8.0 * _KNOCK_DECAY_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    ringing = np.exp(-t / _KNOCK_DECAY_S) * np.sin(2.0 * np.pi * _pitch(rng) * t)
    knock = signal.fftconvolve(struck, ringing)[: len(sound)]
    peak = 10.0 ** (_KNOCK_DB / 20.0) * np.sqrt((sound**2).mean())
    return np.asarray(sound + knock * peak / np.abs(knock).max())


def _modulation(sound: Sound, rng: np.random.Generator) -> Sound:
    t = np.arange(len(sound)) / SAMPLE_RATE_HZ
    return np.asarray(
        sound * (1.0 + _MODULATION_DEPTH * np.sin(2.0 * np.pi * (rng.uniform(0.5, 3.0) * t + rng.random())))
    )


def _tilt(sound: Sound, rng: np.random.Generator) -> Sound:
    slope = _TILT_DB_PER_OCTAVE * rng.choice([-1.0, 1.0])
    return _by_spectrum(sound, lambda hz: slope * np.log2(np.maximum(hz, 50.0) / 1000.0))


def _event(sound: Sound, rng: np.random.Generator) -> Sound:
    length = round(_EVENT_S * SAMPLE_RATE_HZ)
    start = int(rng.integers(len(sound) - length))
    burst = signal.windows.hann(length) * rng.standard_normal(length)
    event = np.zeros(len(sound))
    event[start : start + length] = _at_level(burst, sound, _EVENT_DB)
    return np.asarray(sound + event)


FAULTS: dict[str, Callable[[Sound, np.random.Generator], Sound]] = {
    "tone": _tone,
    "resonance": _resonance,
    "rubbing noise": _rubbing,
    "knocks": _knocks,
    "modulation": _modulation,
    "tilt": _tilt,
    "event": _event,
}
"""The faults that can be mixed in: a steady tone, a resonance, rubbing noise in a band, knocks, a slow modulation, a
tilted spectrum, and one event of 0.4 s."""
