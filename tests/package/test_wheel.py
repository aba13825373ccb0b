"""What people install is what is here: the wheel and the sdist against the folders of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = {
    "package": "asd_edge",
    "benchmarks": "asd_edge/benchmarks",
    "calibration": "asd_edge/calibration",
    "export": "asd_edge/export",
    "runtime": "asd_edge/runtime",
}
"""Where the folders at the top lie once they are installed."""
NOT_INSTALLED = shutil.ignore_patterns("__pycache__", "*.egg-info")
PLOTS = REPOSITORY / "benchmarks" / "plots"
"""Figures of the README of the benchmarks: like every .md, for those who read the repository."""
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])
"""
"""What a build tool asks of setuptools in the folder that it builds."""


def build(what: str, tree: Path, into: Path) -> Path:
    """Build the ``sdist`` or the ``wheel`` of a tree."""
    into.mkdir()
    command = [sys.executable, "-c", BUILD, what, str(into)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout without what was made in it: builds would take old files along."""
    copy = tmp_path_factory.mktemp("checkout")
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, copy / room, ignore=NOT_INSTALLED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, copy)
    return copy


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", tree, tmp_path_factory.mktemp("sdist") / "built")


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tree, tmp_path_factory.mktemp("wheel") / "built")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_rooms_and_nothing_else(wheel: Path) -> None:
    """A package or a page that pyproject.toml does not list would be missing, and be missed by users first."""
    expected = {
        f"{home}/{file.relative_to(REPOSITORY / room)}": file.read_bytes()
        for room, home in ROOMS.items()
        for file in (REPOSITORY / room).rglob("*")
        if file.is_file() and file.suffix != ".md" and file.parent != PLOTS and "__pycache__" not in file.parts
    }
    found = {name: content for name, content in contents(wheel).items() if ".dist-info/" not in name}
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    again = contents(build("wheel", unpacked, tmp_path / "wheel"))
    assert again == contents(wheel)


def test_every_room_is_typed(wheel: Path) -> None:
    assert {f"{home}/py.typed" for home in ROOMS.values()} <= set(contents(wheel))
