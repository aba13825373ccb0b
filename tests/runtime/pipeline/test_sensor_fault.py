"""A microphone that hears nothing is told from a machine that makes no sound."""

from __future__ import annotations

import numpy as np
import pytest

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.runtime.pipeline.sensor_fault import sensor_fault

RATE_HZ = 48_000


@pytest.fixture
def samples() -> FloatArray:
    """Ten seconds of a very quiet room: noise of two steps of a 16-bit converter."""
    steps = np.random.default_rng(0).normal(0.0, 2.0, 10 * RATE_HZ).round()
    return (steps / 32_768).astype(np.float32)


def test_a_quiet_room_is_no_fault(samples: FloatArray) -> None:
    assert sensor_fault(samples, RATE_HZ) is None


def test_digital_zeros(samples: FloatArray) -> None:
    assert sensor_fault(np.zeros_like(samples), RATE_HZ) == "digital zeros for 10.0 s"
    samples[3 * RATE_HZ : 5 * RATE_HZ] = 0.0
    assert sensor_fault(samples, RATE_HZ) == "digital zeros for 2.0 s"


def test_a_frozen_value(samples: FloatArray) -> None:
    samples[RATE_HZ:] = 0.25
    assert sensor_fault(samples, RATE_HZ) == "frozen at 0.25 for 9.0 s"


def test_a_moment_of_silence_is_no_fault(samples: FloatArray) -> None:
    samples[RATE_HZ : RATE_HZ + int(0.45 * RATE_HZ)] = 0.0
    assert sensor_fault(samples, RATE_HZ) is None


@pytest.mark.parametrize(("share", "faulty"), [(0.009, False), (0.02, True)])
def test_clipping_on_more_than_one_sample_in_a_hundred(samples: FloatArray, share: float, faulty: bool) -> None:
    count = int(share * len(samples))
    samples[:count:2], samples[1:count:2] = 1.0, -1.0
    fault = sensor_fault(samples, RATE_HZ)
    assert fault == ("clipping on 2.0 % of samples" if faulty else None)


def test_values_that_are_not_numbers(samples: FloatArray) -> None:
    samples[7] = np.nan
    assert sensor_fault(samples, RATE_HZ) == "values that are not numbers"


@pytest.mark.parametrize(
    ("bits", "loudness"), [(8, 1.0), (16, 1.0), (16, 0.01), (16, 0.0001), (24, 1.0), (24, 0.1), (32, 1.0)]
)
def test_integers_in_a_float_file_are_told_as_such(bits: int, loudness: float) -> None:
    sine = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    samples = (loudness * (2 ** (bits - 1) - 1) * sine).round().astype(np.float32)
    peak = float(np.abs(samples).max())
    least = next(each for each in (8, 16, 24, 32) if peak <= 2 ** (each - 1))
    expected = f"sound in another scale than -1 to 1 at a peak of {peak:.6g}, as {least}-bit integers have it"
    assert sensor_fault(samples, RATE_HZ) == expected


def test_whether_scaled_is_told_by_the_amplitude_where_the_samples_are_no_integers(samples: FloatArray) -> None:
    assert "another scale than -1 to 1 at a peak of" in str(sensor_fault(samples * 32_768 * 400.3, RATE_HZ))
    louder_than_full_scale = samples / np.abs(samples).max() * np.float32(1.5)
    assert sensor_fault(louder_than_full_scale, RATE_HZ) is None  # beyond 1 are fewer than one sample in a hundred


@pytest.mark.parametrize("offset", [0.6, 0.9, 0.9995, -0.9995, 1.2])
def test_an_offset_is_told_as_one(samples: FloatArray, offset: float) -> None:
    assert sensor_fault(samples + np.float32(offset), RATE_HZ) == f"a DC offset at {offset:.2f} of full scale"


def test_an_offset_that_drives_a_tone_into_the_rail_is_told_as_one() -> None:
    sine = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    samples = np.clip(0.8 + 0.4 * sine, -1.0, 1.0).astype(np.float32)
    assert str(sensor_fault(samples, RATE_HZ)).startswith("a DC offset at 0.7")


@pytest.mark.parametrize("offset", [0.02, 0.4])
def test_sound_that_keeps_within_the_range_is_heard_despite_an_offset(samples: FloatArray, offset: float) -> None:
    assert sensor_fault(samples + np.float32(offset), RATE_HZ) is None


def test_a_sine_that_is_too_loud_for_its_converter_clips() -> None:
    sine = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    clipped = np.clip(1.3 * sine + 0.05, -1.0, 1.0).astype(np.float32)
    assert str(sensor_fault(clipped, RATE_HZ)).startswith("clipping on ")
    square = np.where(sine < 0.0, -1.0, 1.0).astype(np.float32)
    assert sensor_fault(square, RATE_HZ) == "clipping on 100.0 % of samples"


def test_a_converter_that_is_stuck_at_its_rail_is_frozen() -> None:
    assert sensor_fault(np.ones(RATE_HZ, np.float32), RATE_HZ) == "frozen at 1 for 1.0 s"
