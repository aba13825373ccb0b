"""A bank that many tests of the device begin with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asd_edge.runtime import EnrollSettings, FileSource, Model, enroll


@pytest.fixture(scope="session")
def enrolled(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bank of the healthy machine, called pump, with windows of a second; tests do not write to it."""
    path = tmp_path_factory.mktemp("bank") / "pump.npz"
    enroll(FileSource(machine_wav), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=1.0, name="pump"))
    return path


@pytest.fixture
def bank(enrolled: Path, tmp_path: Path) -> Path:
    """A copy of that bank for one test."""
    return Path(shutil.copy(enrolled, tmp_path))
