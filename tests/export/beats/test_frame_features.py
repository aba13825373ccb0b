"""From patches to frames, against NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_beats import write_tiny_beats

from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.frame_features import TimeInterpolation, over_mel_blocks
from asd_edge.export.layers.slaney import SlaneyLogMel


@pytest.mark.parametrize(("samples", "blocks", "frames"), [(160_000, 62, 313), (16_000, 6, 32), (2_800, 1, 6)])
def test_a_frame_takes_the_value_at_its_centre(tmp_path: Path, samples: int, blocks: int, frames: int) -> None:
    """A patch is 16 frames of 400 samples, every 160: the first is centred at sample 1400, and 2560 lie between two."""
    encoder = load_beats(write_tiny_beats(tmp_path / "tiny.pt"), samples=samples)
    assert (encoder.time_blocks, SlaneyLogMel().frames(samples)) == (blocks, frames)
    features = np.random.default_rng(0).standard_normal((2, 3, blocks)).astype(np.float32)
    found = TimeInterpolation(encoder, frames)(torch.from_numpy(features)).numpy()
    centres = 1400.0 + 2560.0 * np.arange(blocks)
    expected = [[np.interp(512.0 * np.arange(frames), centres, row) for row in window] for window in features]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mean_is_over_the_mel_blocks_of_a_time_block() -> None:
    """Patches go through all mel blocks of a time block first: p = 8 t + f."""
    patches = np.random.default_rng(0).standard_normal((2, 24, 5)).astype(np.float32)
    found = over_mel_blocks(torch.from_numpy(patches), 8).numpy()
    assert found.shape == (2, 3, 5)
    for t in range(3):
        np.testing.assert_allclose(found[:, t], np.mean([patches[:, 8 * t + f] for f in range(8)], axis=0), atol=1e-6)
