"""Data sets in the layout of DCASE Task 2: what is read from the names, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd_edge.calibration.dcase import Clip, read_data_set
from asd_edge.calibration.errors import InputError

TRAIN = "section_00_source_train_normal_0000_noAttribute.wav"


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".wav":
            soundfile.write(path, np.zeros(160), 16_000)
        else:
            path.touch()


def test_everything_is_read_from_the_names(tmp_path: Path) -> None:
    put(
        tmp_path,
        "valve/train/section_01_target_train_normal_0007_v_1_pat_02.wav",
        f"fan/train/{TRAIN}",
        "fan/test/section_00_target_test_anomaly_0012_m-n_X.wav",
        "fan/test/section_00_source_test_normal_0003_noAttribute.wav",
    )
    fan = tmp_path / "fan"
    assert read_data_set(tmp_path) == {
        "fan": (
            Clip(fan / "train" / TRAIN, "fan", 0, "source", "train", "normal", 0, ""),
            Clip(
                fan / "test/section_00_source_test_normal_0003_noAttribute.wav",
                *("fan", 0, "source", "test", "normal", 3, ""),
            ),
            Clip(
                fan / "test/section_00_target_test_anomaly_0012_m-n_X.wav",
                *("fan", 0, "target", "test", "anomaly", 12, "m-n_X"),
            ),
        ),
        "valve": (
            Clip(
                tmp_path / "valve/train/section_01_target_train_normal_0007_v_1_pat_02.wav",
                *("valve", 1, "target", "train", "normal", 7, "v_1_pat_02"),
            ),
        ),
    }


def test_machines_and_clips_come_in_name_order(tmp_path: Path) -> None:
    names = [f"section_00_source_train_normal_{index:04d}_noAttribute.wav" for index in (3, 1, 10, 2)]
    for machine in ("slider", "bearing", "fan"):
        put(tmp_path, *(f"{machine}/train/{name}" for name in names))
    data_set = read_data_set(str(tmp_path))
    assert list(data_set) == ["bearing", "fan", "slider"]
    assert [clip.index for clip in data_set["fan"]] == [1, 2, 3, 10]


def test_what_lies_beside_the_clips_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "README.md", ".cache/x", f"fan/train/{TRAIN}", "fan/attributes_00.csv", "fan/supplemental/a.wav")
    put(tmp_path, "fan/train/.DS_Store", f"fan/train/._{TRAIN}")
    assert [clip.path.name for clip in read_data_set(tmp_path)["fan"]] == [TRAIN]


@pytest.mark.parametrize(
    ("names", "first", "what"),
    [
        (["fan/train/section_00_source_train_normal_0001.wav"], None, "does not fit the layout"),
        (["fan/train/normal_id_00_00000000.wav"], None, "does not fit the layout"),
        (["fan/train/section_00_other_train_normal_0001_noAttribute.wav"], None, "does not fit the layout"),
        (["fan/train/section_00_source_train_normal_0001_noAttribute.flac"], None, "does not fit the layout"),
        (["fan/train/section_00_source_train_normal_0001_noAttribute.wav/a.txt"], "fan/train/sec", "does not fit"),
        (["fan/train/section_00_source_test_normal_0001_noAttribute.wav"], None, "'test' lies in 'train'"),
        (["fan/test/section_00_source_train_normal_0001_noAttribute.wav"], None, "'train' lies in 'test'"),
        (["fan/train/section_00_source_train_anomaly_0001_noAttribute.wav"], None, "an anomaly among the training"),
        (["fan/test/b.wav", "fan/test/a.wav", "pump/train/c.wav"], "fan/test/a.wav", "does not fit the layout"),
    ],
)
def test_the_first_file_that_breaks_the_rule_is_named(
    tmp_path: Path, names: list[str], first: str | None, what: str
) -> None:
    put(tmp_path, f"fan/train/{TRAIN}", *names)
    with pytest.raises(InputError, match=what) as caught:
        read_data_set(tmp_path)
    assert caught.value.got.startswith(str(tmp_path / (first or names[0])))
    assert caught.value.valid
    assert caught.value.next_step


def test_a_machine_without_training_clips_is_refused(tmp_path: Path) -> None:
    put(tmp_path, f"fan/train/{TRAIN}", "pump/test/section_00_source_test_normal_0001_noAttribute.wav")
    with pytest.raises(InputError, match="no training clips") as caught:
        read_data_set(tmp_path)
    assert caught.value.got == str(tmp_path / "pump" / "train")


def test_a_folder_that_is_none_or_empty_or_a_machines_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of recordings") as caught:
        read_data_set(tmp_path / "missing")
    assert caught.value.got == str(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no machine"):
        read_data_set(tmp_path)
    put(tmp_path, f"fan/train/{TRAIN}")
    with pytest.raises(InputError, match="a machine's own") as caught:
        read_data_set(tmp_path / "fan")
    assert caught.value.next_step == "name the folder above it"


@pytest.mark.machines
def test_real_recordings_fit(machines: Path) -> None:
    """The counts that the recordings' own description gives."""
    clips = (clip for each in read_data_set(machines).values() for clip in each)
    counts = Counter((clip.machine, clip.domain, clip.split, clip.label) for clip in clips)
    assert counts["drone", "source", "train", "normal"] == 48
    assert counts["drone", "target", "train", "normal"] == 5
    assert counts["slider", "source", "test", "anomaly"] == 4
    assert counts["fan", "source", "test", "anomaly"] == 20
