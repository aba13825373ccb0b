"""The prior: what is steady goes into one part, what comes and goes into the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asd_edge.export.separation.steady_part import split_by_steadiness
from asd_edge.export.separation.tf_locoformer import Stft

T = np.arange(4 * 16_000) / 16_000.0
HUM = 0.1 * np.sin(2.0 * np.pi * 440.0 * T)
KNOCKS = 0.5 * np.exp(-60.0 * (T % 1.0)) * np.sin(2.0 * np.pi * 2500.0 * T)


def share(part: np.ndarray, of: np.ndarray) -> float:
    """How much of the energy of a sound is in a part: its projection."""
    return float(np.dot(part, of) / np.dot(of, of))


def test_a_hum_is_steady_and_knocks_are_not() -> None:
    steady, rest = split_by_steadiness((HUM + KNOCKS).astype(np.float32))
    assert share(steady, HUM) > 0.95
    assert share(rest, KNOCKS) > 0.95
    assert share(rest, HUM) < 0.05
    assert share(steady, KNOCKS) < 0.05


def test_noise_is_mostly_steady() -> None:
    noise = np.random.default_rng(0).standard_normal(4 * 16_000).astype(np.float32)
    steady, rest = split_by_steadiness(noise)
    assert np.square(rest).sum() < 0.1 * np.square(steady).sum()


def test_the_share_is_the_formula() -> None:
    """One second in NumPy: 63 + 1 frames of 1024 samples every 256, power averaged over 3 bins and 5 frames."""
    rng = np.random.default_rng(1)
    sound = (HUM + KNOCKS)[:16_000] + 0.01 * rng.standard_normal(16_000)
    transform = Stft(1024, 256)
    spectrum = transform(torch.from_numpy(sound)[None].float())[0].numpy()  # (513, 64)
    assert spectrum.shape == (513, 64)
    power = np.abs(spectrum) ** 2
    share = np.empty_like(power)
    for f in range(513):
        steady = np.sort(power[f])[31] / np.log(2.0)  # the lower of the two in the middle
        for t in range(64):
            local = power[max(0, f - 1) : f + 2, max(0, t - 2) : t + 3].mean()
            share[f, t] = steady / max(steady, local)
    expected = transform.inverse(torch.from_numpy(share * spectrum)[None], 16_000)[0].numpy()
    found, rest = split_by_steadiness(sound.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_allclose(rest, sound - expected, atol=2e-4)


def test_parts_add_up_and_scale_with_the_sound() -> None:
    sound = (HUM + KNOCKS).astype(np.float32)
    parts = split_by_steadiness(sound)
    np.testing.assert_allclose(parts.sum(axis=0), sound, atol=1e-6)
    np.testing.assert_allclose(split_by_steadiness(sound * np.float32(0.001)) * 1000.0, parts, atol=1e-5)


@pytest.mark.parametrize("samples", [16_000, 16_001, 50_017])
def test_silence_and_any_length(samples: int) -> None:
    assert split_by_steadiness(np.zeros(samples, np.float32)).tolist() == np.zeros((2, samples)).tolist()
