"""`asd-edge train` as a user meets it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats

from asd_edge.calibration.settings import declared, option_name
from asd_edge.export.training.job import systems

Run = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0)
    write_machine(tmp_path / "data", "pump", 500.0, attributes=("speed_1", "speed_2"))
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt")


@pytest.mark.long
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
    run_main: Run, tmp_path: Path, data: Path, checkpoint: Path, spoil: Callable[[Path], object], what: str
) -> None:
    spoil(data)
    output = tmp_path / "asp.pt"
    done = run_main("train", "beats-asp-type", "--data", data, "--checkpoint", checkpoint, "--output", output)
    assert done.returncode == 1
    assert what in done.stderr
    assert "next:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert not (tmp_path / "asp.run").exists()


_OTHER: dict[str, str] = {"accelerator": "cpu", "unfreeze": "all", "size": "paper", "steady": "machine"}
"""What text options are given that take some words only; others take any."""


def _other_value(field: dataclasses.Field[Any]) -> Any:
    """A value that is not the field's default, and valid."""
    default = None if field.default is dataclasses.MISSING else field.default
    others = {
        "bool": not default,
        "mix": 2,  # a channel
        "tuple": ("fan", "pump"),
        "Path": Path("some") / field.name,
        "int": (default or 0) + 3 if not isinstance(default, (str, float, tuple)) else None,
        "float": (default or 1.0) * 0.5 if not isinstance(default, (str, tuple)) else None,
    }
    return next((other for kind, other in others.items() if kind in str(field.type)), _OTHER.get(field.name))


def _words(field: dataclasses.Field[Any], option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option.split("/", maxsplit=1)[0] if value else option.split("/")[1]]
    return [word for each in (value if isinstance(value, tuple) else (value,)) for word in (option, str(each))]


@pytest.mark.parametrize("system", [name for name, _ in systems("train")])
def test_every_option_of_every_system_reaches_its_training(
    run_main: Run, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """Each is given another value than its default, and the settings that are trained with have all of them."""
    kind = dict(systems("train"))[system]
    trained: list[Any] = []
    monkeypatch.setattr("asd_edge.export.training.job.train", lambda chosen: trained.append(chosen) or [])
    values = {
        field.name: _other_value(field)
        for field in dataclasses.fields(kind)
        if not declared(kind)[field.name].hidden and field.name != "without_beats"
    }
    words = [
        word
        for field in dataclasses.fields(kind)
        if field.name in values
        for word in _words(field, option_name(field.name, declared(kind)[field.name]), values[field.name])
    ]
    done = run_main("train", system, *words)
    assert done.returncode == 0, done.stderr
    (chosen,) = trained
    assert type(chosen) is kind
    assert {name: getattr(chosen, name) for name in values} == values
    assert len(values) > 18


@pytest.mark.parametrize("system", [name for name, _ in systems("train")])
def test_help_tells_every_option_and_imports_no_torch(system: str) -> None:
    """Help is read from settings, which know their defaults without what computes."""
    code = (
        "import sys\nfrom asd_edge.runtime.cli import main\n"
        f"sys.argv = ['asd-edge', 'train', '{system}', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"}
    )
    kind = dict(systems("train"))[system]
    for name, setting in declared(kind).items():
        assert setting.hidden or option_name(name, setting).split("/")[0] in done.stdout
    assert f"[default: {kind.epochs}]" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


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
