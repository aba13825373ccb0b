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
