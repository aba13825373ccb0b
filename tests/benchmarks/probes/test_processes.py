"""Processes: that what they take is read correctly, not that this computer is fast."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asd_edge.benchmarks.probes.processes import listen_cost, read_memory, wall_times
from asd_edge.benchmarks.probes.sounds import machine_bank
from asd_edge.runtime import Model

_ENDS_BY_ITSELF_S = 120.0
"""The file is over much earlier, also where the computer has other work."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What reading memory needs is in memory, before anything is compared."""
    read_memory(os.getpid())


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    machine_bank(path, Model(threads=1))
    return path


def test_memory_that_is_taken_shows() -> None:
    before = read_memory(os.getpid())
    # From the system, not from what the heap of this process may have left.
    taken = np.frombuffer(mmap.mmap(-1, 32_000_000), np.uint8)
    taken[:] = 1
    after = read_memory(os.getpid())
    assert after.resident - before.resident == pytest.approx(taken.nbytes, rel=0.1)
    assert after.private - before.private == pytest.approx(taken.nbytes, rel=0.1)
    assert after.anonymous < after.resident
    assert after.private <= after.proportional <= after.resident <= after.peak


def test_memory_in_no_file_is_told_from_the_rest() -> None:
    before = read_memory(os.getpid())
    # Private memory of its own, as the heap of this process may have room left.
    taken = np.frombuffer(mmap.mmap(-1, 32_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)
    taken[:] = 1
    after = read_memory(os.getpid())
    assert after.anonymous - before.anonymous == pytest.approx(taken.nbytes, rel=0.1)


def test_fresh_processes_are_timed() -> None:
    assert len(wall_times(["--version"], 2)) == 2


def test_the_models_time_is_told_from_the_rest(bank: Path, machine_wav: Path, tmp_path: Path) -> None:
    """Two minutes at a hop of ten seconds: twelve windows, and a reading of both clocks after each."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "asd_edge.benchmarks.probes.timed_listen", str(report), "listen", "--threads", "1"]
    done = subprocess.run(
        [*command, "--json", "--bank", str(bank), "--input", str(machine_wav)], check=True, capture_output=True
    )
    readings = np.array(json.loads(report.read_text()))
    assert sum(json.loads(line)["event"] == "score" for line in done.stdout.splitlines()) == len(readings) == 12
    assert (np.diff(readings, axis=0) > 0).all()
    steps = np.diff(readings, axis=0)
    assert (steps[:, 0] <= steps[:, 1]).all()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_listening_process_is_measured(bank: Path, machine_wav: Path, terminal: bool) -> None:
    """A file that is played as fast as it goes: the shares mean nothing then, but time and memory do."""
    cost = listen_cost(["--input", str(machine_wav)], bank, 1.0, _ENDS_BY_ITSELF_S, terminal)
    assert cost.windows == 111
    assert cost.model_share == pytest.approx(cost.model_s / 1.0)
    assert 0.0 < cost.model_s < 1.0
    assert 0.0 < cost.other_share < 1.0
    assert cost.memory.resident > 10e6
    assert cost.recorder_memory is None
