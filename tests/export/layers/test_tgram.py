"""TgramNet by direct loops, and beside the spectrogram."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.layers.tgram import TgramNet


@pytest.fixture(scope="module")
def net() -> TgramNet:
    """Random weights, gains and shifts, too."""
    torch.manual_seed(0)
    module = TgramNet()
    for name, weight in module.named_parameters():
        if name.endswith(("gain", "shift")):
            torch.nn.init.normal_(weight)
    return module.double().eval()


def features_of(net: TgramNet, waveform: NDArray[np.float64]) -> NDArray[np.float64]:
    with torch.no_grad():
        found: NDArray[np.float64] = net(torch.from_numpy(waveform)[None])[0].numpy()
    return found


@pytest.mark.parametrize("samples", [512, 1023, 1024, 1025, 5000, 160_000])
def test_there_are_as_many_frames_as_in_the_spectrogram(samples: int) -> None:
    with torch.no_grad():
        found = TgramNet()(torch.zeros(2, samples))
    assert found.shape == (2, 128, SlaneyLogMel().frames(samples))


def test_the_features_are_the_formula(net: TgramNet) -> None:
    waveform = 0.1 * np.random.default_rng(0).standard_normal(3000)
    weights = {name: weight.detach().numpy() for name, weight in net.named_parameters()}
    padded = np.pad(waveform, 512)
    frames = [padded[start : start + 1024] for start in range(0, len(padded) - 1023, 512)]
    x = weights["filters.weight"][:, 0] @ np.array(frames).T  # (128, frames)
    assert x.shape == (128, 6)
    for block in range(3):
        normed = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        normed = normed * weights[f"blocks.{block}.0.gain"][:, None] + weights[f"blocks.{block}.0.shift"][:, None]
        active = np.pad(np.where(normed > 0.0, normed, 0.2 * normed), ((0, 0), (1, 1)))
        kernel = weights[f"blocks.{block}.2.weight"]  # (out, in, 3)
        x = np.stack([np.tensordot(kernel, active[:, t : t + 3], ([1, 2], [0, 1])) for t in range(x.shape[1])], axis=1)
    np.testing.assert_allclose(features_of(net, waveform), x, rtol=1e-4, atol=1e-5)


def test_the_gain_of_the_microphone_cancels_and_silence_is_a_number(net: TgramNet) -> None:
    waveform = 0.1 * np.random.default_rng(1).standard_normal(8000)
    np.testing.assert_allclose(features_of(net, 0.05 * waveform), features_of(net, waveform), rtol=1e-3, atol=1e-4)
    assert np.isfinite(features_of(net, np.zeros(8000))).all()
