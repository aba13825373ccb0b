"""Where an enrolment writes: what is at the bank's path, and what is beside it afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from program import Run

from asd_edge.calibration.errors import BankError, InputError
from asd_edge.runtime import EnrollSettings, FileSource, Model, enroll, load_bank
from asd_edge.runtime.enrolment import enrolling


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_bank_behind_a_symbolic_link_is_enrolled_and_added_to(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    """As where banks live on another disk: the link stays, the bank keeps its permissions, and nothing else is left."""
    (tmp_path / "disk").mkdir()
    link = tmp_path / "pump.npz"
    link.symlink_to(Path("disk", "pump 3.npz"))
    sound = FileSource(machine_wav)
    enroll(sound, short_model, EnrollSettings(link, hop_s=1.0, minutes=0.5))
    (tmp_path / "disk" / "pump 3.npz").chmod(0o640)
    with pytest.raises(BankError, match="a file at the bank's path already"):
        enroll(sound, short_model, EnrollSettings(link, hop_s=1.0, minutes=0.5))
    report = enroll(sound, short_model, EnrollSettings(link, hop_s=1.0, append=True))
    assert report.added == 90
    assert link.is_symlink()
    assert len(load_bank(tmp_path / "disk" / "pump 3.npz").references) == 120
    assert (tmp_path / "disk" / "pump 3.npz").stat().st_mode & 0o777 == 0o640
    assert not [name for name in names(tmp_path) if name.endswith(".lock")]


def test_a_bank_that_another_enrolment_made_meanwhile_is_not_written_over(
    short_model: Model, machine_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are started at once; the second one gets the lock only when the first has ended."""
    settings = EnrollSettings(tmp_path / "pump.npz", hop_s=1.0, minutes=0.5)
    check = enrolling.check_writable

    def meanwhile(path: Path) -> None:
        monkeypatch.setattr(enrolling, "check_writable", check)
        enroll(FileSource(machine_wav), short_model, settings)
        check(path)

    monkeypatch.setattr(enrolling, "check_writable", meanwhile)
    with pytest.raises(BankError, match="a file at the bank's path already"):
        enroll(FileSource(machine_wav), short_model, settings)
    assert len(load_bank(settings.bank).references) == 30
    assert names(tmp_path) == ["pump.npz"]


def test_a_refusal_leaves_nothing(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scorer"):
        enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "b.npz", scorer="reconstruction"))
    with pytest.raises(InputError, match="too short"):
        enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "b.npz", minutes=0.01))
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["n" * 300, "n" * 250, "loop", "pipe", "folder", "a\0b", "file/x", "missing/x"])
@pytest.mark.parametrize("append", [False, True])
def test_paths_that_no_bank_can_be_at_are_told(
    short_model: Model, machine_wav: Path, tmp_path: Path, name: str, append: bool
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = names(tmp_path)
    with pytest.raises(InputError):
        enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / name, hop_s=1.0, append=append))
    assert names(tmp_path) == before


def test_links_in_a_circle_are_told_where_several_banks_are_listened_with(tmp_path: Path, run_main: Run) -> None:
    loop = tmp_path / "loop.npz"
    loop.symlink_to(loop)
    told = run_main("listen", "--bank", loop, "--bank", tmp_path / "b.npz", "--device", "a", "--device", "b")
    assert told.returncode == 1
    assert "The bank cannot be read: Too many levels of symbolic links" in told.stderr
