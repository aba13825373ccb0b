import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from published_beats import full_reference, reference, sounds

from asd_edge.export.layers.kaldi import KaldiLogMel

# BEATs' normalisation of the log-mel; what it feeds on must be right to half a thousandth.
FBANK_MEAN, FBANK_DEVIATION = 15.41663, 6.55582
TOLERANCE = 5e-4
EPSILON = float(np.finfo(np.float32).eps)


def mel(hz: float) -> float:
    return 1127.0 * math.log(1.0 + hz / 700.0)


def triangles() -> NDArray[np.float64]:
    """Kaldi's mel banks: 128 bins from 20 Hz to 8 kHz on the first 256 of 257 bins of the spectrum."""
    weights = np.zeros((128, 257))
    step = (mel(8000.0) - mel(20.0)) / 129
    for bin_ in range(128):
        left, centre, right = (mel(20.0) + (bin_ + i) * step for i in range(3))
        for i in range(256):
            at = mel(i * 16_000 / 512)
            if left < at < right:
                weights[bin_, i] = (at - left) / (centre - left) if at <= centre else (right - at) / (right - centre)
    return weights


def fbank(waveform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kaldi's steps one after the other on every frame, in double precision: (128, frames)."""
    weights = triangles()
    povey = np.array([(0.5 - 0.5 * math.cos(2.0 * math.pi * i / 399)) ** 0.85 for i in range(400)])
    columns = []
    for start in range(0, len(waveform) - 400 + 1, 160):
        frame = waveform[start : start + 400] * 32768.0
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * povey, 512)) ** 2
        columns.append(np.log(np.maximum(weights @ power, EPSILON)))
    return np.stack(columns, axis=1)


def computed(waveform: NDArray[np.float64]) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = KaldiLogMel()(torch.from_numpy(waveform.astype(np.float32))[None])[0].numpy()
    return found


RNG = np.random.default_rng(1)
SECOND = np.arange(16_000) / 16_000
SOUNDS = {
    "noise": 0.1 * RNG.standard_normal(16_000),
    "quiet noise": 1e-4 * RNG.standard_normal(16_000),
    "full-scale noise": RNG.uniform(-1.0, 1.0, 16_000),
    "full-scale square wave": np.where(SECOND * 100.0 % 1.0 < 0.5, 1.0, -1.0),
    "silence": np.zeros(16_000),
    "a constant": np.full(16_000, 0.25),
    "noise on a large offset": 0.9 + 1e-3 * RNG.standard_normal(16_000),
    "noise that sets in": np.where(SECOND < 0.5, 0.0, 0.1 * RNG.standard_normal(16_000)),
    # Both have bins far under the rounding of single precision beside the loudest bin of their frame.
    "a pure chirp": 0.5 * np.sin(2.0 * np.pi * (20.0 + 3990.0 * SECOND) * SECOND),
    "a slow rumble": 0.9 * np.sin(2.0 * np.pi * 3.0 * SECOND) + 1e-5 * RNG.standard_normal(16_000),
}


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS.keys())
def test_the_matrix_is_kaldis_steps_one_after_the_other(sound: NDArray[np.float64]) -> None:
    # Both get the same float32 samples.
    sound = sound.astype(np.float32).astype(np.float64)
    found, expected = computed(sound), fbank(sound)
    assert found.shape == expected.shape == (128, 98)
    np.testing.assert_allclose(found / (2 * FBANK_DEVIATION), expected / (2 * FBANK_DEVIATION), rtol=0, atol=TOLERANCE)


def normalised() -> NDArray[np.float32]:
    """BEATs' input of the reference sounds, ``(3, frames, 128)``."""
    with torch.no_grad():
        found = KaldiLogMel()(torch.from_numpy(sounds())).numpy()
    assert found.shape == (3, 128, 998)
    return np.asarray((found.transpose(0, 2, 1) - FBANK_MEAN) / (2 * FBANK_DEVIATION))


def test_it_is_the_front_end_of_beats() -> None:
    np.testing.assert_allclose(normalised()[:, ::19], reference()["small_fbank"], rtol=0, atol=TOLERANCE)


def test_it_is_the_front_end_of_beats_in_every_number() -> None:
    expected = full_reference("beats_small.npz")["fbank"]
    np.testing.assert_allclose(normalised(), expected, rtol=0, atol=TOLERANCE)


def test_silence_is_at_the_floor() -> None:
    np.testing.assert_allclose(computed(np.zeros(16_000)), math.log(EPSILON), rtol=1e-6)


def test_exactly_one_mel_bin_is_empty() -> None:
    # Loud noise reaches every bin that has a weight.
    at_floor = computed(SOUNDS["full-scale noise"]) < math.log(EPSILON) + 1e-3
    assert np.flatnonzero(at_floor.any(axis=1)).tolist() == np.flatnonzero(at_floor.all(axis=1)).tolist() == [3]


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (560, 2), (16_000, 98), (160_000, 998)])
def test_edges_are_snipped(samples: int, frames: int) -> None:
    assert KaldiLogMel()(torch.zeros(1, samples)).shape == (1, 128, frames)


def test_a_tone_is_loudest_in_the_bin_of_its_frequency() -> None:
    found = computed(0.5 * np.sin(2.0 * np.pi * 1000.0 * SECOND)).mean(axis=1)
    step = (mel(8000.0) - mel(20.0)) / 129
    # Bin b is centred (b + 1) steps above 20 Hz.
    assert np.argmax(found) == round((mel(1000.0) - mel(20.0)) / step - 1)


def test_clips_of_a_batch_do_not_touch_each_other() -> None:
    clips = np.stack([SOUNDS["noise"], SOUNDS["full-scale square wave"], SOUNDS["noise on a large offset"]])
    with torch.no_grad():
        together = KaldiLogMel()(torch.from_numpy(clips.astype(np.float32))).numpy()
    for clip, found in zip(clips, together, strict=True):
        np.testing.assert_allclose(found, computed(clip), rtol=0, atol=1e-3)
