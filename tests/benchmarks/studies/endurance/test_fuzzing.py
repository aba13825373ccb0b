"""What finds faults finds those that are there: each kind of failure of a reader that is known to fail."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asd_edge.benchmarks.studies.endurance import fuzzing
from asd_edge.benchmarks.studies.endurance.fuzz_sounds import Hearing, fuzz_sounds, whole_files
from asd_edge.benchmarks.studies.endurance.fuzzing import Failure, FuzzSettings, fuzz
from asd_edge.benchmarks.studies.endurance.mutations import Mutations, mutate_bytes
from asd_edge.calibration.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process that tries is a copy of this one")


def numbered(rng: random.Random, _: object) -> bytes:
    """Inputs that say which of ten ways to end is theirs; the one that takes long is rare."""
    return bytes([rng.choice((0, 1, 1, 0, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 5, 8))])


def faulty(content: bytes) -> None:
    """A reader with every fault there is."""
    if content[0] == 0:
        raise KeyError("a wrong name")
    if content[0] == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if content[0] == 2:
        time.sleep(60)
    if content[0] == 3:
        assert len(b"x" * (100 << 20))
    if content[0] == 4:
        assert bytearray(1 << 40)
    if content[0] < 8:
        raise InputError("refused")


def test_every_kind_of_failure_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzzing, "TIME_LIMIT_S", 4.0)
    monkeypatch.setattr(fuzzing, "MEMORY_LIMIT_BYTES", 64 << 20)
    report = fuzz("faulty", [b""], faulty, 40, mutate=numbered, keep=tmp_path)
    mutations = Mutations([b""], 0, numbered)
    drawn = [mutations.input(trial)[0] for trial in range(40)]
    assert report.inputs == 40
    assert report.accepted == drawn.count(8) + drawn.count(9)
    assert report.refused == sum(drawn.count(way) for way in (5, 6, 7))
    found = {(failure.kind, failure.what.split(" in ")[0]): failure for failure in report.failures}
    ways = [("foreign", "KeyError"), ("crash", "SIGSEGV"), ("hang", "longer than 4 s")]
    ways += [("memory", "more than 64 MiB"), ("memory", "MemoryError")]
    assert set(found) == set(ways)
    for number, way in enumerate(ways):
        assert (found[way].trial, found[way].count) == (drawn.index(number), drawn.count(number))
        assert (tmp_path / f"faulty-{way[0]}-{drawn.index(number)}").read_bytes() == bytes([number])
    assert found["foreign", "KeyError"].example == "'a wrong name'"
    assert "test_fuzzing.py:" in found["foreign", "KeyError"].what
    assert report.count("memory") == drawn.count(3) + drawn.count(4)


def test_the_same_numbers_give_the_same_inputs() -> None:
    seeds = [bytes(range(200)), b"header" * 100]
    once, again, other = (Mutations(seeds, seed, mutate_bytes) for seed in (0, 0, 1))
    assert [once.input(trial) for trial in range(50)] == [again.input(trial) for trial in range(50)]
    assert [once.input(trial) for trial in range(50)] != [other.input(trial) for trial in range(50)]
    assert len({once.input(trial) for trial in range(200)} - set(seeds)) > 180


def test_inputs_without_any_bytes_are_mutated_too() -> None:
    mutations = Mutations([b""], 0, mutate_bytes)
    assert all(isinstance(mutations.input(trial), bytes) for trial in range(200))


WITH_A_POOL = """
import os
import numpy as np
from sklearn.cluster import KMeans
from asd_edge.benchmarks.studies.endurance.fuzzing import fuzz

points = np.random.default_rng(0).normal(size=(2000, 3))
cluster = lambda _: KMeans(2, n_init=1, random_state=0).fit(points)
cluster(b"")
print(len(os.listdir("/proc/self/task")) > 1, fuzz("clustering", [b"x"], cluster, 3).accepted)
"""


def test_a_reader_may_use_the_threads_that_this_process_has_started() -> None:
    """OpenMP waits for ever for a pool that was not forked."""
    pytest.importorskip("sklearn")
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", WITH_A_POOL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "3"]


def test_whole_sound_files_are_heard(tmp_path: Path) -> None:
    """What is mutated is whole to begin with: a reader that refuses everything would look safe."""
    for content in whole_files():
        Hearing(tmp_path)(content)


def test_no_sound_file_can_do_more_than_be_heard_or_refused(tmp_path: Path) -> None:
    report = fuzz("sounds", whole_files(), Hearing(tmp_path), 300, seed=1)
    assert report.failures == ()
    assert min(report.accepted, report.refused) > 50


def test_the_study_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    fuzz_sounds(FuzzSettings(inputs=20))
    assert "| sounds | 20 |" in capsys.readouterr().out
    fuzzing.show(fuzzing.FuzzReport("x", 2, 0, 1, (Failure("hang", "longer than 1 s", "", 1, 1),), 1.0, 0.1, 0))
    assert "input 1 and 0 more: hang: longer than 1 s" in capsys.readouterr().out
