"""The log-mel spectrogram of the DCASE baselines against SciPy and direct loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from numpy.typing import NDArray

from asd_edge.export.layers.slaney import SlaneyLogMel, mel_filters


def spectrogram(waveform: NDArray[np.float64]) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = SlaneyLogMel()(torch.from_numpy(waveform.astype(np.float32))[None])[0].numpy()
    return found


def slaney_hz(mel: float) -> float:
    """15 mel are 1000 Hz; below, the scale is linear, above, 27 mels are a factor of 6.4."""
    return mel * 1000.0 / 15.0 if mel < 15.0 else 1000.0 * 6.4 ** ((mel - 15.0) / 27.0)


def test_mel_bins_are_slaneys() -> None:
    found = mel_filters()
    # 8000 Hz is 15 + 27 ln 8 / ln 6.4 mel.
    edges = [slaney_hz((15.0 + 27.0 * math.log(8.0) / math.log(6.4)) * k / 129) for k in range(130)]
    assert edges[-1] == pytest.approx(8000.0)
    expected = np.zeros((128, 513))
    for band in range(128):
        left, centre, right = edges[band : band + 3]
        for bin_ in range(513):
            hz = bin_ * 16_000 / 1024
            if left < hz < right:
                height = (hz - left) / (centre - left) if hz <= centre else (right - hz) / (right - centre)
                expected[band, bin_] = height * 2.0 / (right - left)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_spectrogram_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    waveform = (0.1 * rng.standard_normal(5000)).astype(np.float32).astype(np.float64)
    window = scipy.signal.get_window("hann", 1024)
    padded = np.pad(waveform, 512)
    frames = [padded[start : start + 1024] * window for start in range(0, len(padded) - 1023, 512)]
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    expected = 10.0 * np.log10(np.maximum(mel_filters() @ power.T, np.finfo(np.float64).eps))
    found = spectrogram(waveform)
    assert found.shape == expected.shape == (128, 10)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ten_seconds_are_313_frames_and_silence_is_the_floor() -> None:
    found = spectrogram(np.zeros(160_000))
    assert found.shape == (128, 313)
    np.testing.assert_allclose(found, 10.0 * math.log10(2.0**-52), rtol=1e-6)
