"""`asd-edge train separator` and `asd-edge augment` as a user meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dcase_clips import write_machine

from asd_edge.calibration.dcase.data_set import read_data_set
from asd_edge.export.separation.separator import save_separator
from asd_edge.export.separation.tf_locoformer import LocoformerSettings, TfLocoformer

Run = Callable[..., Any]
TINY = LocoformerSettings(frame=128, hop=64, bins=8, blocks=1, width=8, hidden=8, kernel=3, heads=2, groups=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0)
    return tmp_path / "data"


@pytest.fixture
def separator(tmp_path: Path) -> Path:
    save_separator(tmp_path / "tiny.pt", TfLocoformer(TINY), TINY, 16_000)
    return tmp_path / "tiny.pt"


def test_from_clips_to_a_separator_and_to_more_clips(run_main: Run, tmp_path: Path, data: Path) -> None:
    output = tmp_path / "separator.pt"
    options = ("--mixtures", 2, "--batch", 2, "--epochs", 1, "--segment", 1, "--accelerator", "cpu")
    done = run_main("train", "separator", "--data", data, "--output", output, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{output}: separator, small\n")
    assert "Foregrounds: 4 clips, for fan what is not steady in training clips" in done.stderr
    (following,) = re.findall(r"Next: asd-edge (.*)", done.stdout)
    made = run_main(*following.split(), "--copies", 2, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "data-augmented: 8 new clips beside 4" in made.stdout
    assert re.search(r"The disk needs \d+\.\d MB", made.stderr)
    assert len(read_data_set(tmp_path / "data-augmented")["fan"]) == 12


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--snr-min", 6, "--snr-max", -6), "upside down"),
        (("--size", "huge"), "no such size"),
        (("--segment", 0.2), "--segment is out of its bounds"),
    ],
    ids=["ratios", "size", "segment"],
)
def test_training_that_cannot_be(
    run_main: Run, tmp_path: Path, data: Path, options: tuple[object, ...], what: str
) -> None:
    done = run_main("train", "separator", "--data", data, "--output", tmp_path / "separator.pt", *options)
    _refused(done, what)
    assert not list(tmp_path.glob("separator.*"))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--snr-min", 6, "--snr-max", -6), "upside down"),
        (("--originals", "move"), "originals cannot be that"),
    ],
    ids=["ratios", "originals"],
)
def test_augmentation_that_cannot_be(
    run_main: Run, tmp_path: Path, data: Path, separator: Path, options: tuple[object, ...], what: str
) -> None:
    done = run_main("augment", "--data", data, "--separator", separator, "--output", tmp_path / "new", *options)
    _refused(done, what)
    assert not list(tmp_path.glob("new*"))


def _refused(done: Any, what: str) -> None:
    assert done.returncode == 1
    assert what in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr
