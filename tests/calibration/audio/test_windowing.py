"""The one rule that cuts sound: every sample in its place, whatever the blocks, and clips as the device cuts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.windowing import Cutter, SampleBuffer, Window, Windowing, read_windows, window_starts
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError, SoundError

SECOND = 16_000
RECORDING = Recording("r", "pump.wav")


def write(path: Path, samples: NDArray[np.float64], rate_hz: int = SECOND) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


def noise(frames: int, seed: int = 0) -> FloatArray:
    return (0.1 * np.random.default_rng(seed).standard_normal(frames)).astype(np.float32)


def cut(samples: FloatArray, windowing: Windowing, size: int, rate_hz: int = SECOND) -> list[Window]:
    """All windows of a recording that comes in blocks of this size and ends."""
    cutter = Cutter(RECORDING, rate_hz, windowing, offset_s=7.0)
    found = [window for at in range(0, len(samples), size) for window in cutter.add(samples[at : at + size])]
    return [*found, *cutter.finish()]


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.floats(1.0, 9.0),
    hop_s=st.floats(0.1, 4.0),
    size=st.integers(100, 40_000),
    window_s=st.floats(0.5, 3.0),
)
def test_windows_are_slices_of_the_recording(seconds: float, hop_s: float, size: int, window_s: float) -> None:
    """Whatever the block size: windows at all hops, and one that ends with the recording if a second or more is left.

    A hop longer than the window leaves sound out on purpose, at the end too.
    """
    samples, length = noise(int(seconds * SECOND)), int(window_s * SECOND)
    found = cut(samples, Windowing(length, hop_s), size)
    starts = [] if len(samples) >= length else [0]
    while (start := round(len(starts) * hop_s * SECOND)) + length <= len(samples):
        starts.append(start)
    if hop_s <= length / SECOND and len(samples) - (starts[-1] + length) >= SECOND:
        starts.append(len(samples) - length)
    assert [round((window.start_s - 7.0) * SECOND) for window in found] == starts
    for window, start in zip(found, starts, strict=True):
        expected = samples[start : start + length]
        np.testing.assert_array_equal(window.samples, np.resize(expected, length))
        assert window.repeated == (len(samples) < length)
        assert window.recording is RECORDING


@pytest.mark.parametrize("rate_hz", [SECOND, 44_100])
@pytest.mark.parametrize("length_s", [1.2, 2.0, 2.5, 3.1, 6.0])
def test_a_clip_is_cut_like_a_recording_with_a_hop_as_long_as_the_window(
    tmp_path: Path, length_s: float, rate_hz: int
) -> None:
    """For windows of 2 s; a resampler that gets blocks rounds otherwise than one that gets all of it."""
    sound = noise(int(length_s * rate_hz))
    clip = write(tmp_path / "clip.wav", sound, rate_hz)
    expected = [window.samples for window in cut(sound, Windowing(2 * SECOND, 2.0), rate_hz // 10, rate_hz)]
    np.testing.assert_allclose(read_windows(clip, 2 * SECOND), expected, atol=0.0 if rate_hz == SECOND else 1e-6)


def test_sound_that_is_in_no_window_yet() -> None:
    cutter = Cutter(RECORDING, SECOND, Windowing(SECOND, 0.5))
    assert [window.start_s for window in cutter.add(noise(int(1.7 * SECOND)))] == [0.0, 0.5]
    assert cutter.unused_s == pytest.approx(0.2)


def test_memory_is_given_back_and_what_is_kept_suffices() -> None:
    """An hour of a microphone takes no more room than a few windows."""
    cutter = Cutter(RECORDING, SECOND, Windowing(SECOND, 1.0))
    for second in range(60):
        (window,) = cutter.add(noise(SECOND, second))
        np.testing.assert_array_equal(window.samples, noise(SECOND, second))
        assert (second + 1) * SECOND - cutter.kept_from <= 2 * SECOND


def test_a_last_window_begins_in_sound_that_came_long_before_the_end() -> None:
    """When 4.5 s have come, two windows are given and the third would begin at 4 s; the last one begins at 3.5 s."""
    samples = noise(int(5.5 * SECOND))
    found = cut(samples, Windowing(2 * SECOND, 2.0), SECOND // 2)
    assert [window.start_s - 7.0 for window in found] == [0.0, 2.0, 3.5]
    np.testing.assert_array_equal(found[-1].samples, samples[int(3.5 * SECOND) :])


def test_windows_follow_each_other_every_ten_seconds_unless_said_otherwise() -> None:
    assert Windowing(SECOND) == Windowing(SECOND, hop_s=10.0, channel=1)


def test_a_buffer_is_addressed_by_the_stream() -> None:
    buffer = SampleBuffer(4)
    samples = np.arange(20, dtype=np.float32)
    for at in range(0, 20, 5):
        buffer.append(samples[at : at + 5])
        buffer.forget(at - 2)
    assert (buffer.start, buffer.end, buffer.length) == (13, 20, 7)
    np.testing.assert_array_equal(buffer.view(14, 20), samples[14:])
    buffer.forget(5)
    assert buffer.start == 13


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 0.049, float("nan")])
def test_hops_that_cannot_be(hop_s: float) -> None:
    with pytest.raises(InputError, match="too short"):
        Windowing(SECOND, hop_s)
    assert Windowing(SECOND, 0.05).window_s == 1.0


def test_a_recording_under_a_second_is_refused() -> None:
    with pytest.raises(SoundError, match="too short") as raised:
        cut(noise(SECOND - 1), Windowing(2 * SECOND), SECOND)
    assert (raised.value.got, raised.value.valid) == ("pump.wav: 1.00 s", "1 s or longer; 2 s fill a window")
    assert len(cut(noise(SECOND), Windowing(2 * SECOND), SECOND)) == 1


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        (6.0, [0]),  # repeated
        (10.0, [0]),
        (10.9, [0]),  # 0.9 s are too little for a window of their own
        (10.995, [0]),
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
