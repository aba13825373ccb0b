"""Sound to compare models on: each window another, and each set another."""

from __future__ import annotations

import numpy as np

from asd_edge.calibration.audio.generated import GENERATED, generated_windows


def test_windows_differ_within_and_between_sets() -> None:
    sets = np.concatenate([generated_windows(16_000), generated_windows(16_000, 1)])
    assert (sets.shape, sets.dtype) == ((2 * GENERATED, 16_000), np.float32)
    np.testing.assert_allclose(np.abs(sets).max(axis=1), 0.2, rtol=1e-6)
    alike = np.corrcoef(sets)[np.triu_indices(len(sets), 1)]
    assert np.abs(alike).max() < 0.999  # a hum with knocks beside the same hum


def test_the_same_set_comes_again() -> None:
    np.testing.assert_array_equal(generated_windows(8_000, 1), generated_windows(8_000, 1))
