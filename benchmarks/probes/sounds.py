"""Sound to measure with: the simulated machine as a file that a usual microphone could have recorded, and its bank."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.runtime import EnrollSettings, Model, SimulatedMachine, enroll

MICROPHONE_RATE_HZ = 48_000
"""The rate that most microphones record at, so that resampling is among what is measured."""
_ENROLL_S = 600.0


def machine_sound(duration_s: float, rate_hz: int = SAMPLE_RATE_HZ, day: int = 1) -> FloatArray:
    """Make sound of the simulated machine, healthy: (frames,)."""
    machine = SimulatedMachine(duration_s, day=day)
    samples = np.concatenate([block.samples[:, 0] for block in machine.sound(threading.Event())])
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    import soxr

    resampled: FloatArray = soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz)
    return resampled


def write_stereo(path: Path, duration_s: float) -> None:
    """Write sound of the simulated machine as a 48 kHz stereo WAV file."""
    import soundfile

    samples = machine_sound(duration_s, MICROPHONE_RATE_HZ)
    soundfile.write(path, np.stack([samples, 0.5 * samples], axis=1), MICROPHONE_RATE_HZ, subtype="PCM_16")


def machine_bank(path: Path, model: Model) -> Bank:
    """Enroll ten minutes of the same machine on another day.

    Raises:
        InputError: The bank cannot be written.
    """
    return enroll(SimulatedMachine(_ENROLL_S), model, EnrollSettings(path, name="simulated machine")).bank
