"""Data sets in the layout of DCASE Task 2: what is read from the names, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd_edge.calibration.dcase.data_set import SPLITS, Clip, domain_of, read_data_set
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
            Clip(fan / "train" / TRAIN, "fan", 0, "source", "train", "normal", 0),
            Clip(
                fan / "test/section_00_source_test_normal_0003_noAttribute.wav",
                *("fan", 0, "source", "test", "normal", 3),
            ),
            Clip(
                fan / "test/section_00_target_test_anomaly_0012_m-n_X.wav",
                *("fan", 0, "target", "test", "anomaly", 12, (("m-n", "X"),)),
            ),
        ),
        "valve": (
            Clip(
                tmp_path / "valve/train/section_01_target_train_normal_0007_v_1_pat_02.wav",
                *("valve", 1, "target", "train", "normal", 7, (("v", "1"), ("pat", "02"))),
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
    put(tmp_path, "README.md", ".cache/x", f"fan/train/{TRAIN}", "fan/notes.csv", "fan/test_rename/a.wav")
    put(tmp_path, "fan/train/.DS_Store", f"fan/train/._{TRAIN}")
    assert [clip.path.name for clip in read_data_set(tmp_path)["fan"]] == [TRAIN]


@pytest.mark.parametrize(
    ("names", "first", "what"),
    [
        (["fan/train/section_00_source_train_normal.wav"], None, "does not fit the layout"),
        (["fan/train/section_00_machine_0001.wav"], None, "does not fit the layout"),
        (["fan/supplemental/section_00_source_train_normal_0001.wav"], None, "does not fit the layout"),
        (["fan/train/anomaly_id_00_00000000.wav"], None, "an anomaly among the training"),
        (["fan/train/section_00_0001.wav"], None, "does not say that it is normal"),
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


YEARS = {
    "2020": "fan/train/normal_id_00_00000000.wav fan/test/anomaly_id_00_00000012.wav",
    "2020 evaluation": "fan/train/normal_id_01_00000000.wav fan/test/id_01_00000012.wav",
    "2021": "fan/train/section_00_source_train_normal_0000_strength_1_ambient.wav "
    "fan/source_test/section_00_source_test_normal_0001.wav fan/target_test/section_00_target_test_anomaly_0002.wav",
    "2021 evaluation": "fan/train/section_03_target_train_normal_0002_A_B.wav "
    "fan/source_test/section_03_source_test_0199.wav",
    "2022": "fan/train/section_00_source_train_normal_0000_m-n_W.wav",
    "2022 evaluation": "fan/train/section_03_source_train_normal_0000_m-n_W.wav fan/test/section_03_0199.wav",
    "2023": "ToyCar/train/section_00_source_train_normal_0001_car_A2_spd_28V_mic_1_noise_1.wav",
    "2024 evaluation": "3DPrinter/train/section_00_target_train_normal_0010_mdl_B_spd_2.wav "
    "3DPrinter/test/section_00_test_0200.wav",
    "2025": "AutoTrash/train/section_00_source_train_normal_0001_noAttribute.wav AutoTrash/test/section_00_0000.wav "
    "AutoTrash/supplemental/section_00_machine_0001_noAttribute.wav "
    "AutoTrash/supplemental/section_00_noise_supplemental_normal_0000.wav "
    "AutoTrash/supplemental/section_00_source_supplemental_machine_0003.wav",
}


@pytest.mark.parametrize("year", YEARS)
def test_the_names_of_every_year_fit(tmp_path: Path, year: str) -> None:
    names = YEARS[year].split()
    put(tmp_path, *names)
    ((machine, clips),) = read_data_set(tmp_path).items()
    assert {str(clip.path.relative_to(tmp_path)) for clip in clips} == set(names)
    assert {clip.machine for clip in clips} == {machine} == {names[0].partition("/")[0]}


def test_what_a_name_does_not_say_stays_empty(tmp_path: Path) -> None:
    for year in ("2020 evaluation", "2021", "2024 evaluation", "2025"):
        put(tmp_path / year.partition(" ")[0], *YEARS[year].split())
    said = {
        clip.path.name: (clip.domain, clip.split, clip.label, clip.index)
        for folder in tmp_path.iterdir()
        for clips in read_data_set(folder).values()
        for clip in clips
    }
    assert said["normal_id_01_00000000.wav"] == ("", "train", "normal", 0)
    assert said["id_01_00000012.wav"] == ("", "test", "", 12)
    assert said["section_00_target_test_anomaly_0002.wav"] == ("target", "test", "anomaly", 2)
    assert said["section_00_test_0200.wav"] == ("", "test", "", 200)
    assert said["section_00_machine_0001_noAttribute.wav"] == ("", "supplemental", "normal", 1)
    assert said["section_00_noise_supplemental_normal_0000.wav"] == ("", "supplemental", "noise", 0)
    assert said["section_00_source_supplemental_machine_0003.wav"] == ("source", "supplemental", "normal", 3)


def test_sections_are_machines_of_their_own(tmp_path: Path) -> None:
    for section in ("00", "02"):
        put(tmp_path, *(f"fan/{split}/section_{section}_source_{split}_normal_0001_m-n_W.wav" for split in SPLITS[:2]))
    put(tmp_path, "pump/train/normal_id_04_00000000.wav", "pump/train/normal_id_06_00000000.wav")
    machines = read_data_set(tmp_path)
    assert list(machines) == ["fan_00", "fan_02", "pump_id_04", "pump_id_06"]
    for name, clips in machines.items():
        assert {clip.machine for clip in clips} == {name}
    assert [clip.split for clip in machines["fan_02"]] == ["train", "test"]
    assert (machines["fan_02"][0].machine_type, machines["fan_02"][0].section_name) == ("fan", "section_02")
    assert machines["pump_id_06"][0].section_name == "id_06"


def test_a_section_without_training_clips_is_refused(tmp_path: Path) -> None:
    put(tmp_path, f"fan/train/{TRAIN}", "fan/test/section_01_source_test_normal_0001.wav")
    with pytest.raises(InputError, match="no training clips") as caught:
        read_data_set(tmp_path)
    assert caught.value.got == f"{tmp_path / 'fan' / 'train'}, section_01"


def test_attributes_come_from_the_table(tmp_path: Path) -> None:
    """Also where the name is silent; and an evaluation set's table is not asked about the test."""
    silent = "section_00_source_train_normal_0001.wav"
    named = "section_00_source_train_normal_0002_vel_7_5.wav"
    put(tmp_path, f"fan/train/{silent}", f"fan/train/{named}", "fan/test/section_00_0000.wav")
    (tmp_path / "fan/attributes_00.csv").write_text(
        f"file_name,d1p,d1v,d2p,d2v\nfan/train/{silent},vel,6,loc,A\n{Path(named).stem},vel,7.5,,\n"
    )
    assert [clip.attributes for clip in read_data_set(tmp_path)["fan"]] == [
        (("vel", "6"), ("loc", "A")),
        (("vel", "7.5"),),
        (),
    ]


def test_a_table_that_does_not_fit_the_clips_is_refused(tmp_path: Path) -> None:
    put(tmp_path, f"fan/train/{TRAIN}")
    table = tmp_path / "fan/attributes_00.csv"

    def refusal(rows: str) -> str:
        table.write_text(f"file_name,d1p,d1v\n{rows}")
        with pytest.raises(InputError) as caught:
            read_data_set(tmp_path)
        assert caught.value.got.startswith(str(table))
        return f"{caught.value.what} {caught.value.got}"

    assert "row for a file that is not there" in refusal(f"{TRAIN},,\nother.wav,,\n")
    assert "do not say the same" in refusal(f"{TRAIN},vel,6\n")
    put(tmp_path, "fan/train/section_00_source_train_normal_0001_vel_6.wav")
    assert "nothing on section_00_source_train_normal_0001_vel_6.wav" in refusal(f"{TRAIN},,\n")
    assert "do not say the same" in refusal(f"{TRAIN},,\nsection_00_source_train_normal_0001_vel_6,vel,7\n")
    table.write_text(f"file_name,d1p,d1v\n{TRAIN},,\nsection_00_source_train_normal_0001_vel_6,vel,6\n")
    put(tmp_path, "fan/train/section_01_source_train_normal_0000.wav")
    with pytest.raises(InputError, match="this one has none") as caught:
        read_data_set(tmp_path)
    assert caught.value.valid == "attributes_01.csv"


def test_the_domain_of_a_file_is_in_its_name() -> None:
    assert domain_of("fan/test/section_00_target_test_anomaly_0001_noAttribute.wav") == "target"
    assert domain_of(Path("section_03_source_test_0199.wav")) == "source"
    assert domain_of("section_00_0001.wav") == domain_of("normal_id_00_00000001.wav") == domain_of("a/target.wav") == ""


@pytest.mark.machines
def test_real_recordings_fit(machines: Path) -> None:
    """The counts that the recordings' own description gives."""
    clips = (clip for each in read_data_set(machines).values() for clip in each)
    counts = Counter((clip.machine, clip.domain, clip.split, clip.label) for clip in clips)
    assert counts["drone", "source", "train", "normal"] == 48
    assert counts["drone", "target", "train", "normal"] == 5
    assert counts["slider", "source", "test", "anomaly"] == 4
    assert counts["fan", "source", "test", "anomaly"] == 20
