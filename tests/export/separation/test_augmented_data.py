"""The whole road from a data set to one with new clips: read by every trainer, the same after any stop."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from dcase_clips import write_machine

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.dcase.data_set import read_data_set
from asd_edge.calibration.errors import InputError, ModelError, SoundError
from asd_edge.export.separation import augmented_data
from asd_edge.export.separation.augmentation import mixed, recombine
from asd_edge.export.separation.augmented_data import Augmented, augment
from asd_edge.export.separation.mixtures import energy, read_sound
from asd_edge.export.separation.separator import Separator, load_separator, save_separator
from asd_edge.export.separation.settings import AugmentSettings
from asd_edge.export.separation.tf_locoformer import LocoformerSettings, TfLocoformer

TINY = LocoformerSettings(frame=128, hop=64, bins=8, blocks=1, width=8, hidden=8, kernel=3, heads=2, groups=2)
WANTED: dict[str, Any] = {"copies": 2, "snr_min_db": -3.0, "snr_max_db": 3.0, "mixup": 0.5}


@pytest.fixture(scope="module")
def separator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: parts that make no sense, but add up."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("separator") / "separator.pt"
    network = TfLocoformer(TINY)
    for weight in network.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    save_separator(path, network, TINY, 16_000)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A fan with attributes in a table, a pump with attributes in its names, both with two target clips."""
    folder = tmp_path / "data"
    write_machine(folder, "fan", 300.0, attributes=("vel_6", "vel_7"), seconds=1.5)
    write_machine(folder, "pump", 500.0, clips=3)
    rows = [f"fan/train/{path.name},vel,{6 + index % 2}" for index, path in enumerate(listed(folder / "fan" / "train"))]
    (folder / "fan" / "attributes_00.csv").write_text("\n".join(["file_name,d1p,d1v", *rows]) + "\n")
    return folder


def listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "augmented.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def make(data: Path, separator: Path, output: Path, **options: Any) -> Augmented:
    how = {**WANTED, "accelerator": "cpu", **options}
    return augment(AugmentSettings(data=data, separator=separator, output=output, **how))


def test_a_data_set_that_every_trainer_reads(tmp_path: Path, data: Path, separator: Path) -> None:
    assert make(data, separator, tmp_path / "new") == Augmented(made=14, originals=7)
    before, found = read_data_set(data), read_data_set(tmp_path / "new")
    assert {machine: len(clips) for machine, clips in found.items()} == {"fan": 12, "pump": 9}
    for machine, clips in found.items():
        assert {clip.attributes for clip in clips} == {clip.attributes for clip in before[machine]}
        assert len({clip.index for clip in clips}) == len(clips)
        domains = [sum(clip.domain == "target" for clip in each) for each in (before[machine], clips)]
        assert domains[1] == 3 * domains[0]
        for clip in clips:
            opened = soundfile.info(clip.path)
            assert (opened.samplerate, opened.channels, opened.subtype) == (16_000, 1, "PCM_16")
    assert all(path.is_symlink() for path in (tmp_path / "new").rglob("*_0000_*.wav"))
    assert not list((tmp_path / "new.run").rglob("*.npy"))
    assert (tmp_path / "new.run" / "run.json").exists()


def test_the_table_says_what_a_clip_is_made_of(tmp_path: Path, data: Path, separator: Path) -> None:
    """Made again by hand from the table: separate, mix, recombine. Foregrounds are kept in half precision."""
    make(data, separator, tmp_path / "new")
    rows = table(tmp_path / "new")
    assert len(rows) == 14
    assert any(row["mixed_in"] for row in rows)
    loaded = load_separator(separator)
    for row in rows:
        sound = read_sound(data / row["foreground"])
        foreground = loaded.separate(sound)[0]
        if row["mixed_in"]:
            foreground = mixed(foreground, loaded.separate(read_sound(data / row["mixed_in"]))[0], float(row["share"]))
        background = loaded.separate(read_sound(data / row["background"]))[1]
        expected = recombine(foreground, background, float(row["snr_db"]), energy(sound))
        found = read_sound(tmp_path / "new" / row["file"])
        assert len(found) == len(sound)
        np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max() + 1.0 / 32768)


def test_the_same_seed_gives_the_same_files(tmp_path: Path, data: Path, separator: Path) -> None:
    for name, seed in (("one", 0), ("other", 0), ("third", 1)):
        make(data, separator, tmp_path / name, seed=seed, originals="none")
    assert files(tmp_path / "one") == files(tmp_path / "other")
    one, third = files(tmp_path / "one"), files(tmp_path / "third")
    assert one.keys() == third.keys()
    assert all(one[name] != third[name] for name in one if name.endswith(".wav"))


@pytest.mark.parametrize("stop", [1, 6, 8, 19, 20])
def test_a_run_that_was_stopped_ends_as_if_it_had_not(
    tmp_path: Path, data: Path, separator: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Seven foregrounds are written, then fourteen clips: stopped at one of them, and again at the next."""
    copying = {"originals": "copy"}
    make(data, separator, tmp_path / "whole", **copying)
    written: list[Path] = []
    whole = augmented_data.write_whole

    def failing(path: Path) -> Any:
        if path.suffix in {".npy", ".wav"}:
            written.append(path)
            if len(written) == stop:
                raise KeyboardInterrupt
        return whole(path)

    with monkeypatch.context() as patched:
        patched.setattr(augmented_data, "write_whole", failing)
        for resume in (False, True):
            written.clear()
            with pytest.raises(KeyboardInterrupt):
                make(data, separator, tmp_path / "stopped", **copying, resume=resume)
            assert not (tmp_path / "stopped").exists()
            if stop > 10:
                break
    with pytest.raises(InputError, match="a run in this folder already") as raised:
        make(data, separator, tmp_path / "stopped", **copying)
    assert "--resume" in raised.value.next_step
    with pytest.raises(InputError, match="made of something else"):
        make(data, separator, tmp_path / "stopped", **copying, copies=3, resume=True)
    assert make(data, separator, tmp_path / "stopped", **copying, resume=True) == Augmented(14, 7)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


@pytest.mark.parametrize("originals", ["link", "copy", "none"])
def test_originals_come_along_as_asked(tmp_path: Path, data: Path, separator: Path, originals: str) -> None:
    made = make(data, separator, tmp_path / "new", originals=originals)
    assert made.originals == (0 if originals == "none" else 7)
    for path in data.rglob("*.wav"):
        there = tmp_path / "new" / path.relative_to(data)
        assert there.exists() == (originals != "none")
        assert there.is_symlink() == (originals == "link")
        assert originals == "none" or there.read_bytes() == path.read_bytes()
    assert {machine: len(clips) for machine, clips in read_data_set(tmp_path / "new").items()} == (
        {"fan": 8, "pump": 6} if originals == "none" else {"fan": 12, "pump": 9}
    )


def test_only_normal_sound_of_train_is_used(tmp_path: Path, data: Path, separator: Path) -> None:
    for split, name in (
        ("test", "section_00_source_test_anomaly_0000_vel_6.wav"),
        ("supplemental", "section_00_source_supplement_noise_0000_noAttribute.wav"),
    ):
        (data / "pump" / split).mkdir()
        shutil.copy(listed(data / "pump" / "train")[0], data / "pump" / split / name)
    make(data, separator, tmp_path / "new")
    assert {clip.split for clips in read_data_set(tmp_path / "new").values() for clip in clips} == {"train"}
    assert all("/train/" in row["foreground"] and "/train/" in row["background"] for row in table(tmp_path / "new"))
    first = listed(data / "pump" / "train")[0]
    first.rename(first.with_name(first.name.replace("normal", "anomaly")))
    with pytest.raises(InputError, match="anomaly among the training clips"):
        make(data, separator, tmp_path / "other")


def test_other_rates_and_long_clips(tmp_path: Path, separator: Path) -> None:
    """A clip of 44.1 kHz, and one of many pieces; both come out at 16 kHz and as long as they were."""
    train = tmp_path / "data" / "fan" / "train"
    train.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index, (rate_hz, seconds) in enumerate(((44_100, 2.0), (16_000, 12.3), (16_000, 1.0))):
        sound = 0.1 * rng.standard_normal((round(seconds * rate_hz), 2))
        soundfile.write(train / f"section_00_source_train_normal_{index:04d}_noAttribute.wav", sound, rate_hz)
    make(tmp_path / "data", separator, tmp_path / "new", copies=1, originals="none", channel=2)
    lengths = [soundfile.info(path).frames for path in listed(tmp_path / "new" / "fan" / "train")]
    assert lengths == [32_000, 196_800, 16_000]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    usage = type(shutil.disk_usage("/"))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10_000, 10_000))
        yield


@pytest.mark.usefixtures("full_disk")
def test_too_little_room_is_told_before_the_work(
    tmp_path: Path, data: Path, separator: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Seven foregrounds and fourteen clips, (4 * 1.5 + 3 * 1.0) s each time, of two bytes a sample: 0.9 MB."""
    caplog.set_level("INFO", "asd_edge")
    with pytest.raises(InputError, match="too little room") as raised:
        make(data, separator, tmp_path / "new")
    assert raised.value.valid == "0.9 MB"
    assert "--copies" in raised.value.next_step
    assert any("0.9 MB" in line and "0.0 MB are free" in line for line in caplog.messages)
    assert not (tmp_path / "new.run").exists()


def test_a_disk_that_becomes_full_leaves_no_half_file(
    tmp_path: Path, data: Path, separator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file = Path.replace
    moved: list[Path] = []

    def failing(self: Path, target: Path) -> Path:
        moved.append(self)
        if len(moved) == 12:
            raise OSError(28, "No space left on device")
        return replace_file(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing)
        with pytest.raises(InputError, match="No space left on device") as raised:
            make(data, separator, tmp_path / "new")
    assert "free some space" in raised.value.next_step
    assert not (tmp_path / "new").exists()
    make(data, separator, tmp_path / "new", resume=True)
    assert len(table(tmp_path / "new")) == 14


def test_what_is_there_is_not_touched(tmp_path: Path, data: Path, separator: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    for output in (tmp_path / "new", data, separator, Path()):
        with pytest.raises(InputError, match="something at the output path already"):
            make(data, separator, output)
    assert os.listdir(tmp_path / "new") == ["mine.txt"]  # noqa: PTH208
    (tmp_path / "new" / "mine.txt").unlink()
    make(data, separator, tmp_path / "new")  # an empty folder is taken


def test_an_output_that_cannot_be_made_is_refused(tmp_path: Path, data: Path, separator: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot make the folder"):
        make(data, separator, tmp_path / "file" / "new")


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.write_bytes(b"damaged"), lambda path: soundfile.write(path, np.zeros(8_000), 16_000)],
    ids=["damaged", "too short"],
)
def test_a_damaged_clip_is_named_or_left_out(
    tmp_path: Path,
    data: Path,
    separator: Path,
    spoil: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    damaged = listed(data / "fan" / "train")[1]
    spoil(damaged)
    with pytest.raises(SoundError) as raised:
        make(data, separator, tmp_path / "new")
    assert str(damaged) in raised.value.got
    assert "--skip-damaged" in raised.value.next_step
    caplog.set_level("INFO", "asd_edge")
    assert make(data, separator, tmp_path / "new", skip_damaged=True) == Augmented(12, 6)
    assert any(str(damaged) in line for line in caplog.messages)
    assert len(read_data_set(tmp_path / "new")["fan"]) == 9


def test_other_files_are_no_separator(tmp_path: Path, data: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(3)}, tmp_path / "head.pt")
    with pytest.raises(ModelError, match="not a trained separator"):
        make(data, tmp_path / "head.pt", tmp_path / "new")
    with pytest.raises(ModelError, match="no file missing"):
        make(data, tmp_path / "missing.pt", tmp_path / "new")
    assert not (tmp_path / "new.run").exists()


def test_what_is_no_number_is_not_written(
    tmp_path: Path, data: Path, separator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Separator, "separate", lambda _, sound: np.full((2, len(sound)), np.nan, np.float32))
    with pytest.raises(ModelError, match="no number"):
        make(data, separator, tmp_path / "new")
    assert not list(tmp_path.rglob("*.npy"))
