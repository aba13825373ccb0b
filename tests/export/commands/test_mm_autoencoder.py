"""`asd-edge train mm-autoencoder` and `export mm-autoencoder` as a user meets them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats

Run = Callable[..., Any]
TRAIN = ("train", "mm-autoencoder")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0, clips=6)
    write_machine(tmp_path / "data", "pump", 500.0)
    return tmp_path / "data"


def test_each_command_says_the_next(run_main: Run, tmp_path: Path, data: Path) -> None:
    """From clips to a bank with two scorers, by the commands alone."""
    weights = tmp_path / "ae.pt"
    options = ("--window", 0.5, "--epochs", 1, "--accumulate", 2)
    done = run_main(*TRAIN, "--data", data, "--without-beats", "--output", weights, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{weights}: mm-autoencoder-without-beats\n")
    assert "20 windows of 10 clips, 2 machines" in done.stderr
    assert json.loads((tmp_path / "ae.run" / "run.json").read_text())["training"]["accumulate"] == 2
    (command,) = re.findall(r"Next: asd-edge (.*)", done.stdout)
    done = run_main(*command.split())
    assert done.returncode == 0, done.stderr
    assert "mm-autoencoder-without-beats, 0.5 s window, 32 dimensions" in done.stdout
    for scorer in ("reconstruction", "reconstruction+mahalanobis"):
        bank = tmp_path / f"{scorer}.npz"
        sound = data / "fan" / "train"
        model = ("--model", tmp_path / "ae.onnx", "--scorer", scorer, "--hop", 0.5)
        enrolled = run_main("enroll", "--input", sound, "--bank", bank, *model)
        assert enrolled.returncode == 0, enrolled.stderr
        scored = run_main("score", next(sound.iterdir()), "--bank", bank, "--model", tmp_path / "ae.onnx")
        assert scored.returncode == 0, scored.stderr


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--without-beats", "--checkpoint", "tiny.pt"), "Without BEATs"),
        (("--without-beats", "--layers", 2), "Without BEATs"),
        ((), "takes a BEATs checkpoint"),
        (("--checkpoint", "missing.pt"), "There is no file missing.pt"),
        (("--without-beats", "--mixed-precision", "--accelerator", "cpu"), "Mixed precision is for GPUs"),
        (("--without-beats", "--accumulate", 0), "--accumulate is out of its bounds"),
        (("--without-beats", "--data", "nothing"), "no folder of recordings"),
    ],
)
def test_bad_input_gets_one_clear_message(run_main: Run, tmp_path: Path, data: Path, options: Any, what: str) -> None:
    write_tiny_beats(tmp_path / "tiny.pt")
    output = tmp_path / "ae.pt"
    done = run_main(*TRAIN, "--data", data, "--output", output, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert what in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert not (tmp_path / "ae.run").exists()
