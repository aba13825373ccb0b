"""`asd-edge train` as a user meets it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats

from asd_edge.export.separation.training import SEPARATOR_TRAINING
from asd_edge.export.systems.beats_asp import ASP_TRAINING
from asd_edge.export.systems.fs_ae.training import FS_AE_TRAINING
from asd_edge.export.systems.mm_autoencoder.training import CONV_AE_TRAINING
from asd_edge.export.systems.mm_discriminative.training import DISCRIMINATIVE_TRAINING
from asd_edge.export.training.trainer import TrainSettings

Run = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0)
    write_machine(tmp_path / "data", "pump", 500.0, attributes=("speed_1", "speed_2"))
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt")


def test_several_processes_train_one_head(run: Run, tmp_path: Path, data: Path, checkpoint: Path) -> None:
    """On the CPU here; where there are GPUs, each on its own. Only the first process speaks and writes."""
    output = tmp_path / "asp.pt"
    options = ("--window", 0.5, "--epochs", 2, "--batch", 6, "--processes", 2, "--accelerator", "cpu")
    done = run("train", "beats-asp", "--data", data, "--checkpoint", checkpoint, "--output", output, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{output}: beats-asp\n")
    assert f"--head {output} --window 0.5" in done.stdout
    assert done.stdout.count("beats-asp\n") == 1
    assert done.stderr.count("16 windows of 8 clips, 2 machine types; attributes: pump speed (2)") == 1
    assert torch.load(output)["origin"]["system"] == "beats-asp"
    assert len(torch.load(tmp_path / "asp.run" / "checkpoint.pt")["history"]) == 2


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda data: shutil.rmtree(data / "pump"), "no two machine types"),
        (lambda data: [path.unlink() for path in (data / "pump" / "train").iterdir()], "no training clips"),
        (
            lambda data: next((data / "pump" / "train").glob("*0001*")).rename(
                data / "pump" / "train" / "section_00_source_train_anomaly_0001_speed_2.wav"
            ),
            "anomaly among the training clips",
        ),
        (lambda data: next((data / "fan" / "train").iterdir()).write_bytes(b"damaged"), "cannot be read as sound"),
    ],
    ids=["one class", "no clips", "anomaly", "damaged"],
)
def test_data_that_cannot_be_learned_from(
    run: Run, tmp_path: Path, data: Path, checkpoint: Path, spoil: Callable[[Path], object], what: str
) -> None:
    spoil(data)
    output = tmp_path / "asp.pt"
    done = run("train", "beats-asp-type", "--data", data, "--checkpoint", checkpoint, "--output", output)
    assert done.returncode == 1
    assert what in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert not (tmp_path / "asp.run").exists()


@pytest.mark.parametrize(
    ("system", "settings"),
    [
        ("beats-asp", ASP_TRAINING),
        ("fs-ae", FS_AE_TRAINING),
        ("mm-autoencoder", CONV_AE_TRAINING),
        ("mm-discriminative", DISCRIMINATIVE_TRAINING),
        ("separator", SEPARATOR_TRAINING),
    ],
)
def test_help_tells_the_defaults(run: Run, system: str, settings: TrainSettings) -> None:
    words = " ".join(run("train", system, "--help").stdout.replace("│", " ").split())
    told = re.search(r"Default: (\d+) epochs of batches of (\d+)\D*? learning rate (0\.\d+)(.*?)\.\s", words)
    assert told is not None
    assert (int(told[1]), int(told[2]), float(told[3])) == (settings.epochs, settings.batch, settings.learning_rate)
    assert ("falls to zero" in told[4]) is settings.falling
    decay = re.search(r" weight decay (0\.\d+)", told[4])
    assert (float(decay[1]) if decay else 0.0) == settings.weight_decay


def test_without_its_extra_the_command_says_what_to_install(tmp_path: Path, data: Path, program: Path) -> None:
    """The interpreter starts with the launcher hidden from it, as after `pip install 'asd-edge[export]'`."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['lightning_fabric'] = None\n")
    done = subprocess.run(
        [str(program), "train", "fs-ae", "--data", str(data), "--output", str(tmp_path / "models")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "pip install 'asd-edge[train]'" in done.stderr
    assert "Traceback" not in done.stderr
