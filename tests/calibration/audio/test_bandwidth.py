"""How far up sound reaches: cut, filtered and quiet sound of a known spectrum, through real resamplers and rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr
from scipy import signal

from asd_edge.calibration.audio.bandwidth import (
    BANDS,
    FULL_HZ,
    SURE_CLIFF_DB,
    band_levels_db,
    compare_bandwidth,
    reach_hz,
)
from asd_edge.calibration.contract.model_output import FloatArray

RATE = 16_000
Change = Callable[[FloatArray], FloatArray]


def machine(seed: int, slope_db_octave: float = 6.0, level: float = 0.05) -> FloatArray:
    """Ten seconds of noise that falls off from 500 Hz on, with the noise of a microphone at -75 dBFS."""
    rng = np.random.default_rng(seed)
    count = 10 * RATE
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= np.maximum(hz / 500.0, 1.0) ** (-slope_db_octave / 6.02)
    sound = np.fft.irfft(spectrum)
    sound *= level / sound.std()
    return np.asarray(sound + 10 ** (-75 / 20) * rng.standard_normal(count), np.float32)


def rounded(sound: FloatArray) -> FloatArray:
    """As a file of 16 bits keeps it."""
    return np.asarray(np.round(np.clip(sound, -1, 1) * 32_767) / 32_767, np.float32)


def at_rate(rate_hz: int) -> Change:
    def change(sound: FloatArray) -> FloatArray:
        lower = rounded(np.asarray(soxr.resample(sound, RATE, rate_hz), np.float32))
        return rounded(np.asarray(soxr.resample(lower, rate_hz, RATE), np.float32))

    return change


def butterworth(order: int, hz: float) -> Change:
    sections = signal.butter(order, hz, fs=RATE, output="sos")
    return lambda sound: np.asarray(signal.sosfilt(sections, sound), np.float32)


def elliptic(hz: float) -> Change:
    sections = signal.ellip(12, 0.1, 100, hz, fs=RATE, output="sos")
    return lambda sound: rounded(np.asarray(signal.sosfilt(sections, sound), np.float32))


def test_white_noise_has_its_own_level_in_every_band() -> None:
    noise = (10 ** (-30 / 20) * np.random.default_rng(0).standard_normal(10 * RATE)).astype(np.float32)
    levels = band_levels_db(noise)
    assert levels.shape == (BANDS,)
    np.testing.assert_allclose(levels[1:], -30.0, atol=0.6)
    tone = 0.1 * np.sin(2 * np.pi * 1000.0 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.argmax(band_levels_db(tone)) in (7, 8)
    assert np.isfinite(band_levels_db(np.zeros(100, np.float32))).all()


@pytest.mark.parametrize(
    ("change", "hz"),
    [
        (at_rate(8_000), 3_650.0),
        (at_rate(11_025), 5_100.0),
        (at_rate(12_000), 5_550.0),
        (elliptic(7_000.0), 6_900.0),  # as a lossy codec cuts
        (elliptic(3_400.0), 3_350.0),  # as a telephone
    ],
)
def test_a_cut_is_found_where_it_is(change: Change, hz: float) -> None:
    levels = band_levels_db(change(machine(1)))
    assert reach_hz(levels) == pytest.approx(hz, abs=200.0)
    assert reach_hz(levels, SURE_CLIFF_DB) == pytest.approx(hz, abs=200.0)
    found = compare_bandwidth(levels, band_levels_db(machine(2)))
    assert found is not None
    assert (found.hz, found.other_hz, found.soft) == (reach_hz(levels), FULL_HZ, False)
    back = compare_bandwidth(band_levels_db(machine(2)), levels)
    assert back is not None
    assert (back.hz, back.other_hz) == (FULL_HZ, reach_hz(levels))


@pytest.mark.parametrize(("order", "hz"), [(2, 2_000.0), (3, 2_500.0), (4, 3_000.0), (8, 3_000.0)])
def test_a_soft_filter_is_found_beside_other_sound(order: int, hz: float) -> None:
    found = compare_bandwidth(band_levels_db(butterworth(order, hz)(machine(1))), band_levels_db(machine(2)))
    assert found is not None
    assert 0.8 * hz < found.hz < 2.6 * hz


@pytest.mark.parametrize(
    "change",
    [
        lambda sound: sound,
        lambda sound: 0.25 * sound,
        lambda sound: 3.0 * sound,
        at_rate(48_000),
        at_rate(44_100),
        butterworth(1, 6_000.0),
    ],
)
@pytest.mark.parametrize("slope", [0.0, 6.0, 12.0, 24.0, 48.0])
def test_what_was_not_cut_is_not_told(change: Change, slope: float) -> None:
    """Neither gain nor another rate of the way is a cut, nor is a machine that is quiet above 4 kHz."""
    levels = band_levels_db(change(machine(1, slope)))
    assert reach_hz(levels) == FULL_HZ
    assert compare_bandwidth(levels, band_levels_db(machine(2, slope))) is None


@pytest.mark.parametrize("order", [1, 2, 4, 8])
def test_a_quiet_machine_on_rounding_noise_is_no_cut(order: int) -> None:
    """Above 4 kHz there is nothing but the rounding to 16 bits, in a microphone without noise of its own."""
    low = butterworth(order, 4_000.0)
    sounds = [low(0.01 * np.random.default_rng(seed).standard_normal(10 * RATE).astype(np.float32)) for seed in (1, 2)]
    levels = [band_levels_db(rounded(sound)) for sound in sounds]
    assert reach_hz(levels[0], SURE_CLIFF_DB) == FULL_HZ
    assert compare_bandwidth(*levels) is None


def test_a_machine_that_changes_is_no_filter() -> None:
    """A hiss that ends, a machine that stops and a bearing that goes bad leave nothing as it was."""
    rng = np.random.default_rng(3)
    hiss = butterworth(4, 7_900.0)(0.02 * rng.standard_normal(10 * RATE).astype(np.float32))
    stopped = np.asarray(10 ** (-75 / 20) * rng.standard_normal(10 * RATE), np.float32)
    high = signal.sosfilt(signal.butter(4, 3_000.0, "high", fs=RATE, output="sos"), rng.standard_normal(10 * RATE))
    bank = band_levels_db(machine(2))
    for sound in (machine(1) + hiss, stopped, machine(1) + 0.03 * high.astype(np.float32)):
        assert compare_bandwidth(band_levels_db(sound), bank) is None
