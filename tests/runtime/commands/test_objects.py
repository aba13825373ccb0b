"""What `info`, `devices`, `doctor` and `enroll` tell programs: objects that the schema of the package describes."""

from __future__ import annotations

from pathlib import Path

import pytest
from objects import valid_objects
from program import Run

from asd_edge.calibration.bank.bank import load_bank
from asd_edge.runtime import ListenSettings

NAME = "=cmd\x1b[2J\npump"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, run_main: Run, machine_wav: Path, short_model_path: Path) -> Path:
    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    done = run_main(
        "enroll", "--bank", path, "--input", machine_wav, "--name", NAME, "--model", short_model_path, "--json"
    )
    assert done.returncode == 0, done.stderr
    (enrolled,) = valid_objects(done.stdout)
    assert enrolled["event"] == "enrolled"
    assert (enrolled["name"], enrolled["path"]) == (NAME, str(path))
    assert (enrolled["added"], enrolled["already_there"], enrolled["interrupted"]) == (12, 0, False)
    return path


def test_info_of_a_bank_has_the_thresholds_that_are_used(run_main: Run, bank: Path) -> None:
    (values,) = valid_objects(run_main("info", bank, "--json").stdout)
    loaded = load_bank(bank)
    assert (values["event"], values["name"], values["bytes"]) == ("bank", NAME, bank.stat().st_size)
    assert (values["windows"], values["references"], values["device"]) == (12, 12, None)
    assert values["threshold"] == loaded.info.threshold
    assert values["alarm_threshold"] == ListenSettings().threshold(loaded).value
    assert values["model_sha256"] == loaded.info.model_sha256


def test_info_of_a_model(run_main: Run) -> None:
    (values,) = valid_objects(run_main("info", "logmel", "--json").stdout)
    assert (values["event"], values["dimensions"], values["window_s"]) == ("model", 381, 10.0)
    assert values["checkpoint_sha256"] is None


def test_the_doctor_tells_each_finding(run_main: Run) -> None:
    done = run_main("doctor", "--json")
    findings = valid_objects(done.stdout)
    assert {values["event"] for values in findings} == {"finding"}
    assert {"system", "provider cpu", "disk"} <= {values["subject"] for values in findings}
    assert done.returncode == any(values["verdict"] == "problem" for values in findings)


@pytest.mark.microphone
@pytest.mark.usefixtures("sound_server")
def test_devices_are_told_one_by_one(run_main: Run) -> None:
    done = run_main("devices", "--json")
    assert done.returncode == 0
    devices = valid_objects(done.stdout)
    assert any(values["name"] == "mic" for values in devices)
    assert {values["event"] for values in devices} == {"device"}


def test_what_cannot_be_told_is_an_error(run_main: Run, tmp_path: Path, bank: Path, machine_wav: Path) -> None:
    for arguments in (
        ("info", tmp_path / "none.npz"),
        ("doctor", "--mode"),
        ("enroll", "--bank", bank, "--input", machine_wav),
    ):
        done = run_main(*arguments, "--json")
        (values,) = valid_objects(done.stdout)
        assert (values["event"], values["exit_code"]) == ("error", done.returncode)


def test_a_bank_that_needs_more_is_told_and_is_an_error(
    run_main: Run, tmp_path: Path, faulty_wav: Path, short_model_path: Path
) -> None:
    arguments = ("--bank", tmp_path / "b.npz", "--input", faulty_wav, "--model", short_model_path, "--json")
    done = run_main("enroll", *arguments)
    enrolled, error = valid_objects(done.stdout)
    assert (enrolled["event"], enrolled["threshold"], enrolled["alarm_threshold"]) == ("enrolled", None, None)
    assert enrolled["windows"] == 3
    assert (error["event"], done.returncode) == ("error", 1)
    (values,) = valid_objects(run_main("info", tmp_path / "b.npz", "--json").stdout)
    assert values["threshold"] is None


def test_what_is_added_and_taken_back_is_told(
    run_main: Run, tmp_path: Path, bank: Path, faulty_wav: Path, short_model_path: Path
) -> None:
    path = tmp_path / "bank.npz"
    path.write_bytes(bank.read_bytes())
    given = ("--append", "--yes", "--input", faulty_wav, "--model", short_model_path, "--json")
    (enrolled,) = valid_objects(run_main("enroll", "--bank", path, *given).stdout)
    assert (enrolled["event"], enrolled["added"], enrolled["windows"]) == ("enrolled", 3, 15)
    (undone,) = valid_objects(run_main("enroll", "--bank", path, "--undo", "--json").stdout)
    assert (undone["event"], undone["path"]) == ("undone", str(path))
    (values,) = valid_objects(run_main("info", path, "--json").stdout)
    assert values["windows"] == 12
