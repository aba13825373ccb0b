"""Soft faults: each changes the sound a little, and in the way that its name says."""

from __future__ import annotations

import numpy as np
import pytest

from asd_edge.benchmarks.studies.quality.soft_faults import FAULTS, add_fault

RATE_HZ = 16_000
SOUND = np.random.default_rng(0).normal(0.0, 0.05, 4 * RATE_HZ).astype(np.float32)


def change_db(kind: str, seed: int = 1) -> float:
    """How strong the difference is, relative to the sound."""
    difference = add_fault(kind, SOUND, np.random.default_rng(seed)) - SOUND
    return float(10.0 * np.log10((difference**2).mean() / (SOUND**2).mean()))


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_weaker_than_the_sound_and_the_same_for_the_same_seed(kind: str) -> None:
    assert -45.0 < change_db(kind) < -5.0
    found = add_fault(kind, SOUND, np.random.default_rng(1))
    assert (found.dtype, found.shape) == (SOUND.dtype, SOUND.shape)
    np.testing.assert_array_equal(found, add_fault(kind, SOUND, np.random.default_rng(1)))
    assert not np.array_equal(found, add_fault(kind, SOUND, np.random.default_rng(2)))


def test_a_tone_is_28_db_below_the_sound() -> None:
    assert change_db("tone") == pytest.approx(-28.0, abs=0.1)


def test_an_event_lasts_for_0_4_s() -> None:
    changed = np.flatnonzero(np.abs(add_fault("event", SOUND, np.random.default_rng(1)) - SOUND) > 1e-6)
    assert (changed[-1] - changed[0]) / RATE_HZ == pytest.approx(0.4, abs=0.02)


def test_a_tilt_leaves_1_khz_as_it_is() -> None:
    before, after = (np.abs(np.fft.rfft(each)) for each in (SOUND, add_fault("tilt", SOUND, np.random.default_rng(1))))
    ratio_db = 20.0 * np.log10(after / before)
    assert ratio_db[4000] == pytest.approx(0.0, abs=0.01)
    assert abs(ratio_db[16_000]) == pytest.approx(0.8, abs=0.01)  # 4 kHz, two octaves above
