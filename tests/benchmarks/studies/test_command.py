"""The command `asd-edge study`: it lists and runs what is installed, and a study is one file and one line."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asd_edge.benchmarks import studies
from asd_edge.benchmarks.studies.command import study
from asd_edge.calibration import plugins


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(study, arguments, env={"COLUMNS": "200"})
    return result.output


def test_all_studies_are_listed_with_a_line_each_and_none_is_imported() -> None:
    program = """
import sys
from typer.testing import CliRunner
from asd_edge.benchmarks.studies.command import study
print(CliRunner().invoke(study, ["--help"], env={"COLUMNS": "200"}).output)
assert not {"numpy", "torch", "asd_edge.benchmarks.studies.endurance.soak"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.replace("│", " ").split())
    for name, point in plugins.entry_points("studies").items():
        assert plugins.summary(point).endswith(".")
        assert f"{name} {plugins.summary(point)}" in shown


@pytest.mark.parametrize("name", plugins.names("studies"))
def test_every_study_tells_its_options(name: str) -> None:
    shown = invoke(name, "--help")
    assert plugins.summary(plugins.entry_points("studies")[name])[:60] in shown
    assert "--" in shown


def test_the_study_of_the_documentation_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine_wav: Path
) -> None:
    """The example is written to a file as it stands, in a package that is not ours."""
    lines = (studies.__doc__ or "").split("``hiss.py``::\n")[1].split("\nand in its ``pyproject.toml``")[0].splitlines()
    example = [line[4:] for line in lines]
    assert len([line for line in example if line]) < 25
    (tmp_path / "hiss.py").write_text("\n".join(example))
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("hiss", "hiss:hiss", "asd_edge.studies")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    assert "How loud the quietest second of each recording is." in invoke("--help")
    assert "From other packages" in invoke("--help")
    assert "A sound file; it can be repeated." in invoke("hiss", "--help")
    heads, _, row = invoke("hiss", "--input", str(machine_wav)).strip().splitlines()
    assert heads == "| recording | quietest second |"
    assert row.startswith("| machine.wav | 0.0")


def test_a_study_whose_package_is_missing_is_listed_and_says_so() -> None:
    point = EntryPoint("gone", "not_installed.gone:gone", "asd_edge.studies")
    assert plugins.summary(point) == "Not available: not_installed is not installed."


def test_an_unknown_study_is_an_error_of_usage() -> None:
    result = CliRunner().invoke(study, ["no-such-study"])
    assert result.exit_code == 2
