"""A package from outside adds a part of each kind, and the commands use them: nothing of this project is changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dcase_clips import write_machine

STRANGER = Path(__file__).with_name("stranger")
Program = Callable[..., str]


@pytest.fixture(scope="module")
def with_stranger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a program beside which the package is installed."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(STRANGER, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    command = [*pip, "--target", str(folder / "installed"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {**os.environ, "PYTHONPATH": str(folder / "installed"), "COLUMNS": "200"}


@pytest.fixture
def asd_edge(with_stranger: dict[str, str], program: Path) -> Program:
    """Run the program to its end and give what it prints."""

    def run(*arguments: object) -> str:
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(
            command,
            env=with_stranger,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_tone_is_enrolled_and_heard_by_parts_of_a_stranger(
    asd_edge: Program, short_model_path: Path, tmp_path: Path
) -> None:
    """The source makes the sound, the scorer compares it, and the sink counts what was heard beside the JSON."""
    bank, counted = tmp_path / "tone.npz", tmp_path / "counted.txt"
    common = ("--bank", bank, "--model", short_model_path, "--hop", 1)
    enrolled = asd_edge("enroll", *common, "--input", "tone:hz=440,seconds=40", "--scorer", "from-mean")
    assert "from-mean: distance to the mean of normal sound" in enrolled
    told = asd_edge("listen", *common, "--input", "tone:hz=880", "--sink", "json", "--sink", f"tally:{counted}")
    scores = [values for values in map(json.loads, told.splitlines()) if values["event"] == "score"]
    assert len(scores) == 30
    assert {values["decision"] for values in scores} == {"anomaly"}  # an octave above what was enrolled
    assert {values["source"] for values in scores} == {"tone:hz=880"}
    assert counted.read_text() == "30 scores of tone.npz\n"


def test_a_system_of_a_stranger_is_trained_exported_and_enrolled_with(asd_edge: Program, tmp_path: Path) -> None:
    write_machine(tmp_path / "data", "fan", 300.0, clips=10)
    weights, model = tmp_path / "level.pt", tmp_path / "level.onnx"
    assert "A network that tells the level of a window" in asd_edge("train", "--help")
    done = asd_edge("train", "level", "--data", tmp_path / "data", "--output", weights, "--window", 0.5, "--epochs", 2)
    assert done == f"{weights}: level\n"
    assert (tmp_path / "level.run" / "run.json").is_file()
    assert f"{model}: level, 0.5 s window, 2 dimensions" in asd_edge(
        "export", "level", "--weights", weights, "--output", model
    )
    sound = tmp_path / "data" / "fan" / "train"
    assert "20 new" in asd_edge(
        "enroll", "--bank", tmp_path / "fan.npz", "--model", model, "--input", sound, "--hop", 0.5
    )


def test_a_study_of_a_stranger_runs_with_its_settings(asd_edge: Program) -> None:
    assert "How long a new Python takes to import a module" in asd_edge("study", "--help")
    assert "The name of the module to import" in asd_edge("study", "import-time", "--help")
    assert asd_edge("study", "import-time", "--module", "csv").startswith("csv: ")


@pytest.mark.parametrize(("command", "names"), [("enroll", ("from-mean", "tone")), ("listen", ("tally", "tone"))])
def test_help_names_the_parts_of_a_stranger(asd_edge: Program, command: str, names: tuple[str, ...]) -> None:
    text = asd_edge(command, "--help")
    assert [name for name in names if name not in text] == []
