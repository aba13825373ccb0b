"""Clips of sound files, cut into windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asd_edge.calibration.audio.sound_file import Channel, read_windows, window_starts
from asd_edge.calibration.errors import SoundError

SECOND = 16_000


def write(path: Path, samples: NDArray[np.float64], rate_hz: int = SECOND) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        (6.0, [0]),  # repeated
        (10.0, [0]),
        (10.9, [0]),  # 0.9 s are too little for a window of their own
        (11.0, [0, 1 * SECOND]),
        (12.0, [0, 2 * SECOND]),
        (20.0, [0, 10 * SECOND]),
        (25.0, [0, 10 * SECOND, 15 * SECOND]),
    ],
)
def test_where_windows_of_ten_seconds_begin(seconds: float, starts: list[int]) -> None:
    assert window_starts(round(seconds * SECOND), 10 * SECOND) == starts


def test_a_long_clip_is_cut_and_a_short_one_repeated(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1.0, 1.0, int(2.5 * SECOND)).astype(np.float32)
    clip = write(tmp_path / "clip.wav", samples)
    np.testing.assert_array_equal(read_windows(clip, SECOND), [samples[i : i + SECOND] for i in (0, 16_000)])
    np.testing.assert_array_equal(read_windows(clip, 4 * SECOND), [[*samples, *samples[:24_000]]])


@pytest.mark.parametrize(("channel", "value"), [(1, 0.25), (2, 0.5), ("mix", 0.375)])
def test_a_channel_is_chosen(tmp_path: Path, channel: Channel, value: float) -> None:
    clip = write(tmp_path / "stereo.wav", np.tile([0.25, 0.5], (SECOND, 1)))
    np.testing.assert_array_equal(read_windows(clip, SECOND, channel), np.full((1, SECOND), value))


def test_another_rate_is_resampled(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(88_200) / 44_100)
    (window,) = read_windows(write(tmp_path / "tone.wav", tone, 44_100), 2 * SECOND)
    expected = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(2 * SECOND) / SECOND)
    np.testing.assert_allclose(window[800:-800], expected[800:-800], atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.zeros(SECOND // 2), "too short"),
        (np.array([0.1] * SECOND + [np.nan]), "not numbers"),
        (np.zeros(0), "holds no sound"),
    ],
)
def test_clips_that_cannot_be_used(tmp_path: Path, samples: NDArray[np.float64], what: str) -> None:
    path = write(tmp_path / "clip.wav", samples)
    with pytest.raises(SoundError, match=what) as raised:
        read_windows(path, SECOND)
    assert str(path) in raised.value.got


def test_a_truncated_clip_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", np.zeros(2 * SECOND))
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(SoundError, match="truncated"):
        read_windows(path, SECOND)
    with pytest.raises(SoundError, match="cannot be read"):
        read_windows(tmp_path / "missing.wav", SECOND)
