"""Cost: that the figures are read correctly, not that this machine is fast."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.probes.processes import first_score_times, listen_cost, read_memory, wall_times
from asd_edge.benchmarks.probes.sounds import machine_bank, machine_sound
from asd_edge.benchmarks.studies.runtime_cost import measure_cost
from asd_edge.benchmarks.studies.soak import GROWTH_TARGET, Endless, run_day
from asd_edge.runtime import Model

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")


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
    assert after.private <= after.proportional <= after.resident <= after.peak


def test_the_machine_is_named() -> None:
    described = describe_machine()
    assert f"{len(os.sched_getaffinity(0))} cores" in described
    assert f"numpy {np.__version__}" in described


def test_fresh_processes_are_timed(bank: Path, machine_wav: Path) -> None:
    assert len(wall_times(["--version"], 2)) == 2
    (first_s,) = first_score_times(bank, machine_wav, 1)
    assert 0.05 < first_s < 20.0


def test_the_models_time_is_told_from_the_rest(bank: Path, machine_wav: Path, tmp_path: Path) -> None:
    """Two minutes at a hop of ten seconds: twelve windows, and a reading of both clocks after each."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "asd_edge.benchmarks.probes.timed_listen", str(report), "listen", "--threads", "1"]
    done = subprocess.run(
        [*command, "--json", "--bank", str(bank), "--input", str(machine_wav)], check=True, capture_output=True
    )
    readings = np.array(json.loads(report.read_text()))
    assert sum("score" in json.loads(line) for line in done.stdout.splitlines()) == len(readings) == 12
    assert (np.diff(readings, axis=0) > 0).all()
    steps = np.diff(readings, axis=0)
    assert (steps[:, 0] <= steps[:, 1]).all()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_listening_process_is_measured(bank: Path, machine_wav: Path, terminal: bool) -> None:
    """A file that is played as fast as it goes: the shares mean nothing then, but time and memory do."""
    cost = listen_cost(["--input", str(machine_wav)], bank, 1.0, 30.0, terminal)
    assert cost.windows == 111
    assert cost.model_share == pytest.approx(cost.model_s / 1.0)
    assert 0.0 < cost.model_s < 1.0
    assert 0.0 < cost.other_share < 1.0
    assert cost.memory.resident > 10e6
    assert cost.recorder_memory is None


@pytest.mark.long
def test_every_figure_of_the_cost_is_measured() -> None:
    subjects = [figure.subject for figure in measure_cost(seconds=20.0, runs=1) if figure.target]
    assert len(subjects) == 6


def test_repeated_sound_is_one_recording_that_goes_on() -> None:
    samples = machine_sound(3.0)
    blocks = list(Endless(samples, 16_000, 7.0).sound(threading.Event()))
    assert [block.start_s for block in blocks] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert [block.last for block in blocks] == [False] * 6 + [True]
    assert {block.recording.id for block in blocks} == {"repeated sound"}
    np.testing.assert_array_equal(np.concatenate([block.samples[:, 0] for block in blocks[3:6]]), samples)


@pytest.mark.parametrize(
    ("rate_hz", "hours"), [pytest.param(16_000, 24.0, marks=pytest.mark.long, id="a day"), (48_000, 1.0)]
)
def test_memory_does_not_grow_with_the_sound(rate_hz: int, hours: float) -> None:
    told: list[tuple[float, int]] = []
    report = run_day(hours=hours, rate_hz=rate_hz, tell=lambda *look: told.append(look))
    assert report.windows == hours * 360
    assert report.resident[0][0] == pytest.approx(600.0)
    assert report.resident[-1][0] == pytest.approx(3600.0 * hours)
    assert told == list(report.resident)
    assert report.growth < GROWTH_TARGET
