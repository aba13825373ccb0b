"""Which clips of a data set are evaluated: found out before the work begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from logged import logged

from asd_edge.benchmarks import EvaluateSettings
from asd_edge.benchmarks.evaluation.usable_clips import UsableClips
from asd_edge.calibration.dcase.data_set import read_data_set
from asd_edge.calibration.errors import InputError, SoundError


def put(folder: Path, split: str, label: str, index: int, length_s: float, channels: int = 1) -> None:
    path = folder / "fan" / split / f"section_00_source_{split}_{label}_{index:04d}_noAttribute.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(index).normal(0.0, 0.1, (int(length_s * 16_000), channels))
    soundfile.write(path, noise, 16_000)


def usable(folder: Path, told: list[str], **treatment: Any) -> list[str]:
    """What is left, as split and index."""
    clips = read_data_set(folder)["fan"]
    settings = EvaluateSettings("results", folder, **treatment)
    with logged() as said:
        found = UsableClips(settings, lambda _: None).of("fan", clips, 160_000)
    told += said
    return [f"{clip.split} {clip.index}" for clip in found]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Of 6, 10 and 12 s, and supplemental sound."""
    for index, length_s in enumerate((6.0, 10.0, 12.0)):
        put(tmp_path, "train", "normal", index, length_s)
        put(tmp_path, "test", "normal", index, length_s)
        put(tmp_path, "test", "anomaly", index, length_s)
    (tmp_path / "fan" / "supplemental").mkdir()
    soundfile.write(tmp_path / "fan/supplemental/section_00_noise_0000.wav", np.ones(16_000), 16_000)
    return tmp_path


def test_clips_of_any_length_are_used(clips: Path) -> None:
    told: list[str] = []
    found = usable(clips, told)
    assert found == [*(f"train {index}" for index in range(3)), *(f"test {index}" for index in (0, 1, 2, 0, 1, 2))]
    assert told == []


def test_short_clips_are_left_out_on_request_and_counted(clips: Path) -> None:
    """In training as in the test."""
    told: list[str] = []
    found = usable(clips, told, short="skip")
    assert found == ["train 1", "train 2", "test 1", "test 2", "test 1", "test 2"]
    assert told == ["fan: 3 of 10 clips left out, because they are shorter than 10 s"]


def test_nothing_left_to_train_with_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "train", "normal", 0, 6.0)
    put(tmp_path, "test", "normal", 0, 10.0)
    put(tmp_path, "test", "anomaly", 0, 10.0)
    with pytest.raises(InputError, match="no training clips left") as caught:
        usable(tmp_path, [], short="skip")
    assert caught.value.got == "fan"


def test_a_channel_that_a_clip_lacks_is_damage(clips: Path) -> None:
    for index in range(3):
        put(clips, "train", "normal", index, 10.0, channels=2)
    with pytest.raises(SoundError, match="no such channel"):
        usable(clips, [], channel=2)
    put(clips, "test", "normal", 3, 10.0, channels=2)
    put(clips, "test", "anomaly", 3, 10.0, channels=2)
    told: list[str] = []
    found = usable(clips, told, channel=2, skip_damaged=True)
    assert found == ["train 0", "train 1", "train 2", "test 3", "test 3"]
    assert told[-1] == "fan: 6 of 12 clips left out, because they cannot be used"
