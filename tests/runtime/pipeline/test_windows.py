"""Cutting sound into windows: every sample in its place, none lost, none across a break."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.windowing import Window, Windowing, read_windows
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import SoundError
from asd_edge.runtime.pipeline.windows import cut_windows
from asd_edge.runtime.sources.files import FileSource
from asd_edge.runtime.sources.source import Block, Event

SECOND = 16_000
RECORDING = Recording("r", "pump.wav")


def noise(frames: int, channels: int = 1, seed: int = 0) -> FloatArray:
    return (0.1 * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


def blocks(
    samples: FloatArray, rate_hz: int = SECOND, size: int = 4000, recording: Recording = RECORDING, last: bool = True
) -> Iterator[Block]:
    for start in range(0, len(samples), size):
        ends = last and start + size >= len(samples)
        yield Block(samples[start : start + size], rate_hz, recording, start / rate_hz, ends)


def windows(items: Iterator[Window | Event]) -> list[Window]:
    return [item for item in items if isinstance(item, Window)]


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.floats(1.0, 9.0),
    hop_s=st.floats(0.1, 4.0),
    size=st.integers(100, 40_000),
    window_s=st.floats(0.5, 3.0),
)
def test_windows_are_slices_of_the_recording(seconds: float, hop_s: float, size: int, window_s: float) -> None:
    """Whatever the block size: the windows at all hops, and one that ends with the recording if 1 s or more is left.

    A hop longer than the window leaves sound out on purpose, at the end too.
    """
    samples = noise(int(seconds * SECOND))
    windowing = Windowing(int(window_s * SECOND), hop_s)
    found = windows(cut_windows(blocks(samples, size=size), windowing))
    if len(samples) < windowing.samples:
        assert [window.repeated for window in found] == [True]
        return
    starts = []
    while (start := round(len(starts) * hop_s * SECOND)) + windowing.samples <= len(samples):
        starts.append(start)
    if hop_s <= windowing.window_s and len(samples) - (starts[-1] + windowing.samples) >= SECOND:
        starts.append(len(samples) - windowing.samples)
    assert [round(window.start_s * SECOND) for window in found] == starts
    for window, start in zip(found, starts, strict=True):
        np.testing.assert_array_equal(window.samples, samples[start : start + windowing.samples, 0])


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 44_100, 48_000, 96_000])
def test_any_rate_is_resampled_as_one_piece(rate_hz: int) -> None:
    """Block by block the same as the whole recording resampled at once."""
    samples = noise(6 * rate_hz)
    expected = soxr.resample(samples[:, 0], rate_hz, SECOND, quality="HQ")
    found = windows(cut_windows(blocks(samples, rate_hz, size=rate_hz // 10), Windowing(2 * SECOND, 1.0)))
    assert len(found) == 5
    for window in found:
        start = round(window.start_s * SECOND)
        np.testing.assert_allclose(window.samples, expected[start : start + 2 * SECOND], atol=1e-6)


def test_a_tone_keeps_its_pitch_and_what_lies_above_8_khz_does_not_fold_back() -> None:
    """Dropping samples would turn 9 kHz into 7 kHz."""
    t = np.arange(4 * 48_000) / 48_000
    tones = (0.3 * np.sin(2 * np.pi * 1000 * t) + 0.3 * np.sin(2 * np.pi * 9000 * t)).astype(np.float32)
    (window,) = windows(cut_windows(blocks(tones[:, None], 48_000), Windowing(4 * SECOND)))
    spectrum = np.abs(np.fft.rfft(window.samples * np.hanning(4 * SECOND))) / SECOND
    assert np.argmax(spectrum) == 4 * 1000
    assert spectrum[4 * 6900 : 4 * 7100].max() < 1e-4 * spectrum.max()


@pytest.mark.parametrize(("channel", "expected"), [(1, 0.1), (3, 0.3), ("mix", 0.2)])
def test_one_channel_or_the_mean_of_all(channel: Channel, expected: float) -> None:
    samples = np.tile(np.array([0.1, 0.2, 0.3], np.float32), (SECOND, 1))
    samples += noise(SECOND) * 1e-3
    (window,) = windows(cut_windows(blocks(samples), Windowing(SECOND, channel=channel)))
    assert window.samples.mean() == pytest.approx(expected, abs=1e-4)


def test_a_missing_channel_is_named() -> None:
    with pytest.raises(SoundError, match="no such channel") as error:
        list(cut_windows(blocks(noise(SECOND, 2)), Windowing(SECOND, channel=3)))
    assert error.value.valid == "1 to 2, or mix"


@pytest.mark.parametrize("kind", ["gap", "overrun"])
def test_no_window_spans_a_break(kind: str) -> None:
    """What came before a break and filled no window is told; what comes after starts a window of its own."""
    first, second = noise(int(1.5 * SECOND), seed=1), noise(int(2.2 * SECOND), seed=2)
    broken = Event(kind, "mic", 1.5, "lost")  # type: ignore[arg-type]

    def sound() -> Iterator[Block | Event]:
        yield from blocks(first, last=False)
        yield broken
        yield from blocks(second, recording=Recording("after", "mic"), last=False)

    items = list(cut_windows(sound(), Windowing(SECOND, 1.0)))
    event = next(item for item in items if isinstance(item, Event))
    assert event.duration_s == pytest.approx(0.5)
    before, *after = windows(iter(items))
    np.testing.assert_array_equal(before.samples, first[:SECOND, 0])
    assert len(after) == 2
    np.testing.assert_array_equal(after[0].samples, second[:SECOND, 0])


def test_a_short_recording_is_repeated_and_says_so() -> None:
    samples = noise(3 * SECOND)
    (window,) = windows(cut_windows(blocks(samples), Windowing(10 * SECOND)))
    assert window.repeated
    np.testing.assert_array_equal(window.samples, np.tile(samples[:, 0], 4)[: 10 * SECOND])


def test_a_recording_under_a_second_is_refused() -> None:
    with pytest.raises(SoundError, match="too short"):
        list(cut_windows(blocks(noise(SECOND // 2)), Windowing(SECOND)))


def test_a_hop_longer_than_the_window_leaves_sound_out_and_holds_no_memory_for_it() -> None:
    samples = noise(21 * SECOND)
    found = windows(cut_windows(blocks(samples, last=False), Windowing(SECOND, 10.0)))
    assert [window.start_s for window in found] == [0.0, 10.0, 20.0]
    np.testing.assert_array_equal(found[2].samples, samples[20 * SECOND :, 0])


def test_a_window_in_which_the_sensor_failed_comes_as_an_event() -> None:
    samples = noise(3 * SECOND)
    samples[SECOND : 2 * SECOND] = 0.0
    items = list(cut_windows(blocks(samples), Windowing(SECOND, 1.0)))
    assert [type(item) for item in items] == [Window, Event, Window]
    assert isinstance(items[1], Event)
    assert items[1].event == "sensor_fault"
    assert items[1].reason == "digital zeros for 1.0 s"


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("length_s", [1.2, 2.0, 2.5, 3.1, 6.0])
def test_training_cuts_clips_as_the_device_does(tmp_path: Path, length_s: float, rate_hz: int) -> None:
    """With a hop as long as the window, for windows of 2 s: the workstation must not learn from other windows."""
    path = tmp_path / "clip.wav"
    soundfile.write(path, noise(int(length_s * rate_hz))[:, 0], rate_hz)
    sound = FileSource([path]).sound(threading.Event())
    windows = [item for item in cut_windows(sound, Windowing(2 * SECOND, hop_s=2.0)) if isinstance(item, Window)]
    np.testing.assert_allclose(read_windows(path, 2 * SECOND), [window.samples for window in windows], atol=1e-6)
