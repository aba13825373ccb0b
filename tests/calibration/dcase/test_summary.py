"""The summary of what was found in a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from asd_edge.calibration.dcase.data_set import read_data_set
from asd_edge.calibration.dcase.summary import describe_data_set


def put(path: Path, length_s: float, channels: int, rate_hz: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((int(length_s * rate_hz), channels)), rate_hz)


def test_what_was_found_in_words(tmp_path: Path) -> None:
    put(tmp_path / "fan/train/section_00_source_train_normal_0000_vel_6_loc_A.wav", 6.0, 2, 16_000)
    put(tmp_path / "fan/train/section_00_target_train_normal_0001_vel_8_loc_A.wav", 12.0, 1, 48_000)
    put(tmp_path / "fan/test/section_00_0000.wav", 10.0, 1, 16_000)
    put(tmp_path / "fan/supplemental/section_00_noise_0000.wav", 10.0, 1, 16_000)
    put(tmp_path / "pump/train/normal_id_02_00000000.wav", 10.0, 8, 16_000)
    assert describe_data_set(read_data_set(tmp_path)).splitlines() == [
        "fan: 2 train (1 source normal, 1 target normal), 1 test (1 without a label), 1 supplemental (1 noise)",
        "  6.0 to 12.0 s, 1 or 2 channels, 16000 or 48000 Hz; attributes: vel (6, 8), loc (A), none for 2 clips",
        "pump: 1 train (1 normal)",
        "  10.0 s, 8 channels, 16000 Hz; attributes: none",
    ]


def test_many_values_of_an_attribute_are_counted(tmp_path: Path) -> None:
    for value in range(7):
        put(tmp_path / f"fan/train/section_00_source_train_normal_{value:04d}_vel_{value}.wav", 1.0, 1, 16_000)
    assert describe_data_set(read_data_set(tmp_path)).endswith("attributes: vel (7 values)")
