"""Windows of clips to train on, against reading them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from dcase_clips import write_machine

from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import SoundError
from asd_edge.export.training.clips import read_training_clips
from asd_edge.export.training.window_data import WindowData, count_windows


def test_windows_come_with_the_labels_of_their_clip(tmp_path: Path) -> None:
    """Clips of 2.5 s give two windows of 1 s; what is left is too short for a third."""
    write_machine(tmp_path, "fan", 300.0, clips=3, seconds=2.5)
    clips = read_training_clips(tmp_path)["fan"]
    counted = count_windows(clips, 16_000, 1, DamagedClips(False))
    assert [windows for _, windows in counted] == [2, 2, 2]
    data = WindowData(counted, np.array([[0, -1], [1, 5], [2, 7]]), 16_000, 1)
    assert len(data) == 6
    waveforms, labels = data[np.array([5, 0, 3])]
    assert labels.tolist() == [[2, 7], [0, -1], [1, 5]]
    for found, (clip, window) in zip(waveforms.numpy(), ((2, 1), (0, 0), (1, 1)), strict=True):
        np.testing.assert_array_equal(found, read_windows(clips[clip].clip.path, 16_000)[window])


def test_a_short_clip_is_repeated(tmp_path: Path) -> None:
    write_machine(tmp_path, "fan", 300.0, clips=1, seconds=1.0)
    clips = read_training_clips(tmp_path)["fan"]
    counted = count_windows(clips, 24_000, 1, DamagedClips(False))
    ((waveform,), _) = WindowData(counted, np.zeros((1, 1), np.int64), 24_000, 1)[np.array([0])]
    sound, _ = soundfile.read(clips[0].clip.path, dtype="float32")
    np.testing.assert_array_equal(waveform.numpy(), np.concatenate([sound, sound[:8_000]]))


def test_a_damaged_clip_is_named_or_left_out(tmp_path: Path) -> None:
    write_machine(tmp_path, "fan", 300.0, clips=3)
    clips = read_training_clips(tmp_path)["fan"]
    clips[1].clip.path.write_bytes(b"damaged")
    with pytest.raises(SoundError) as raised:
        count_windows(clips, 16_000, 1, DamagedClips(False))
    assert str(clips[1].clip.path) in raised.value.got
    damaged = DamagedClips(True)
    assert [each for each, _ in count_windows(clips, 16_000, 1, damaged)] == [clips[0], clips[2]]
    assert damaged.count == 1
