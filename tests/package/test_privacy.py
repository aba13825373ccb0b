"""Nothing leaves the computer, and nothing is run that happens to lie in the current folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asd_edge.runtime.own_process import code_command, module_command

SWITCH = "ORT_DISABLE_TELEMETRY"
ASKS = "import asd_edge, os; print(os.environ.get('ORT_DISABLE_TELEMETRY'))"


def _environment(home: Path, **more: str) -> dict[str, str]:
    """A user's own: a home without anything in it, and none of what tells a library that it is being tested."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), **more}


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("", "1"), ("1", "1"), ("yes", "1"), ("0", "0")])
def test_importing_the_package_switches_telemetry_off_unless_somebody_chose_it(
    tmp_path: Path, before: str | None, after: str
) -> None:
    given = {} if before is None else {SWITCH: before}
    command = [sys.executable, "-c", ASKS]
    done = subprocess.run(command, env=_environment(tmp_path, **given), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


def test_a_model_that_runs_leaves_no_file_and_asks_for_no_name(
    program: Path, tmp_path: Path, short_model_path: Path, machine_wav: Path
) -> None:
    """From an empty home: what ONNX Runtime would write for its maker is a device identifier and a queue of events."""
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    common = ["--model", str(short_model_path), "--hop", "1", "--bank", "pump.npz"]
    traced = folder / "calls.txt"
    strace = shutil.which("strace")
    watch = [strace, "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(traced)] if strace else []
    for command in (["enroll", "--input", str(machine_wav), *common], ["score", str(machine_wav), *common]):
        done = subprocess.run(
            [*watch, str(program), *command],
            env=_environment(home),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []
    assert {path.name for path in folder.iterdir()} <= {"pump.npz", ".pump.npz.lock", "calls.txt"}
    if not watch:
        pytest.skip("no file was left; strace, which tells what is asked for on the network, is not installed")
    calls = traced.read_text()
    assert "exited with 0" in calls, "strace followed the program to its end"
    assert re.findall(r".*AF_INET.*", calls) == []


INTRUDERS = ("queue", "json", "numpy", "sounddevice", "runpy", "struct")


@pytest.mark.parametrize(
    "command",
    [
        module_command("asd_edge.runtime.sources.capture.portaudio_process", "list"),
        module_command("asd_edge.runtime.inference.build_device_cache", "nowhere.onnx"),
        code_command("import json, queue, struct, numpy, sounddevice"),
    ],
    ids=["recorder", "builder", "text"],
)
def test_nothing_in_the_current_folder_is_imported(tmp_path: Path, command: list[str]) -> None:
    for name in INTRUDERS:
        (tmp_path / f"{name}.py").write_text(f"open('{name} was run', 'w').close()\n")
    subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert list(tmp_path.glob("* was run")) == []


def test_no_process_of_ours_is_started_by_a_module_switch() -> None:
    """`python -m` puts the current folder first; `own_process` is the one place that knows how it is done instead."""
    rooms = Path(__file__).parents[2]
    sources = [
        path for room in ("benchmarks", "calibration", "export", "runtime") for path in (rooms / room).rglob("*.py")
    ]
    starting = [path.name for path in sources if "sys.executable" in path.read_text(encoding="utf-8")]
    assert starting == ["own_process.py"]
