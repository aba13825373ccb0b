import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asd_edge.export.layers.kaldi import KaldiLogMel
from asd_edge.export.systems.logmel.model import LogMelStatistics, build_logmel


def embed(waveform: NDArray[np.float64]) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = LogMelStatistics()(torch.from_numpy(waveform.astype(np.float32))[None])[0].numpy()
    return found


@pytest.fixture(scope="module")
def machine() -> NDArray[np.float64]:
    """Ten seconds of a hum in noise that comes and goes, loud enough that no bin is ever at the floor."""
    rng = np.random.default_rng(1)
    t = np.arange(160_000) / 16_000
    hum = sum(np.sin(2.0 * np.pi * 50.0 * k * t) / k for k in range(1, 20))
    noise = rng.standard_normal(160_000) * (1.0 + 0.8 * np.sin(2.0 * np.pi * 1.3 * t))
    return np.asarray(0.05 * hum + 0.02 * noise)


def test_the_embedding_is_the_formula(machine: NDArray[np.float64]) -> None:
    with torch.no_grad():
        spectrogram = KaldiLogMel()(torch.from_numpy(machine.astype(np.float32))[None])[0].numpy()
    # The fourth mel bin is empty.
    x = np.delete(spectrogram.astype(np.float64), 3, axis=0)
    expected = []
    for lag in (32, 64):
        for row in x:
            squares = [(row[t + lag] - row[t]) ** 2 for t in range(998 - lag)]
            expected.append(np.sqrt(sum(squares) / len(squares) + 1e-6))
    level = x.mean()
    expected += [row.mean() - level for row in x]
    found = embed(machine)
    assert found.shape == (381,)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gain", [0.5, 2.0, 0.3])
def test_the_gain_of_the_microphone_changes_nothing(machine: NDArray[np.float64], gain: float) -> None:
    np.testing.assert_allclose(embed(gain * machine), embed(machine), rtol=0, atol=1e-3)


def test_an_offset_of_the_microphone_changes_nothing(machine: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(embed(machine + 0.2), embed(machine), rtol=0, atol=1e-3)


def test_other_sound_changes_it(machine: NDArray[np.float64]) -> None:
    # What the two tests above would not notice: an embedding that never changes.
    rng = np.random.default_rng(2)
    assert np.abs(embed(machine + 0.02 * rng.standard_normal(160_000)) - embed(machine)).max() > 0.1


def test_digital_silence_is_finite() -> None:
    # Nothing changes: the root of the floor of 1e-6 in both lags; and the mean spectrum is flat.
    np.testing.assert_allclose(embed(np.zeros(160_000)), [1e-3] * 254 + [0.0] * 127, rtol=1e-5, atol=1e-5)


def test_the_description_fits_the_module(machine: NDArray[np.float64]) -> None:
    module, info = build_logmel()
    assert (info.recipe, info.samples, info.sample_rate_hz, info.window_s) == ("logmel", 160_000, 16_000, 10.0)
    assert info.dimensions == module.dimensions == 381 == len(embed(machine))
    # Nothing was trained.
    assert info.checkpoint_sha256 is None
    assert not list(module.parameters())
