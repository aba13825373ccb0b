"""How loud a sound is."""

from __future__ import annotations

import numpy as np
import pytest

from asd_edge.calibration.audio.level import is_sound, level_dbfs


def test_level_of_a_full_scale_sine_is_minus_3_db() -> None:
    t = np.arange(16_000) / 16_000
    sine = np.sin(2 * np.pi * 100 * t).astype(np.float32)
    assert level_dbfs(sine + 0.5) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(0.1 * sine) == pytest.approx(-23.01, abs=0.01)


def test_silence_has_the_lowest_level() -> None:
    assert level_dbfs(np.zeros(10, np.float32)) == -120.0
    assert level_dbfs(np.zeros(0, np.float32)) == -120.0
    assert level_dbfs(np.array([1e-9, -1e-9], np.float32)) == -120.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e20, 3e38])
def test_samples_that_are_no_sound_do_not_count(value: float) -> None:
    t = np.arange(16_000) / 16_000
    sine = np.append(np.sin(2 * np.pi * 100 * t), value).astype(np.float32)
    assert level_dbfs(sine) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(sine[-1:]) == -120.0


def test_integers_that_nobody_scaled_are_still_sound() -> None:
    loudest = np.array([2.0**31, -(2.0**31), 0.0, 32767.0], np.float32)
    assert is_sound(loudest).all()
    assert not is_sound(np.array([2.0**32, np.nan, -np.inf], np.float32)).any()
