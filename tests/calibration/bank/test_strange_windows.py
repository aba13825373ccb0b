"""Windows that do not sound like the rest, and copies, among embeddings of which it is known what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from normal_sound import apart, references_of
from numpy.typing import NDArray

from asd_edge.benchmarks.studies.quality.normal_processes import DIMENSIONS, KINDS, NormalProcess
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.bank.strange_windows import copies, strange
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.runtime import Model

STEADY = [kind for kind in KINDS if kind != "heavy tails"]


def every(references: References) -> NDArray[np.bool_]:
    return np.ones(len(references), np.bool_)


def in_a_row(embeddings: FloatArray) -> References:
    """Windows of one recording, 10 s each."""
    count = len(embeddings)
    return references_of(embeddings, Timeline(np.zeros(count, np.int32), 10.0 * np.arange(count), 10.0))


def passing(process: NormalProcess, windows: int, rows: list[int]) -> FloatArray:
    """Normal windows, some of which another sound is in, the same in all of them."""
    embeddings = process.windows(windows)
    embeddings[rows] += 80.0 * process.direction()
    return embeddings


@pytest.mark.parametrize("kind", STEADY)
def test_normal_sound_is_not_strange(kind: str) -> None:
    for seed in range(5):
        for memory in (0.0, 0.7):
            references = in_a_row(NormalProcess(kind, seed, memory).windows(60))
            assert strange(references, every(references)) == {}
            assert copies(references, every(references)) == {}


@pytest.mark.parametrize("kind", STEADY)
@pytest.mark.parametrize("rows", [[0], [20, 21, 22], [54, 55, 56, 57, 58, 59]])
def test_what_passes_by_is_found_though_its_windows_are_alike(kind: str, rows: list[int]) -> None:
    references = in_a_row(passing(NormalProcess(kind, 7), 60, rows))
    found = strange(references, every(references))
    assert list(found) == rows
    assert min(found.values()) > 2.0


def test_times_are_relative_to_the_usual_distance() -> None:
    """On a line of points one apart, the usual distance is 1, and one that lies 8 beyond the end is 8 times as far."""
    line = np.zeros((41, 2), np.float32)
    line[:40, 0] = np.arange(40)
    line[40, 0] = 47.0
    references = references_of(line)
    assert strange(references, every(references)) == {40: pytest.approx(8.0)}


def test_what_comes_back_at_another_time_belongs_to_the_machine() -> None:
    references = in_a_row(passing(NormalProcess("5 factors", 3), 60, [10, 11, 12, 40, 41, 42]))
    assert strange(references, every(references)) == {}


def test_files_of_a_minute_go_on_from_each_other_and_clips_do_not() -> None:
    embeddings = passing(NormalProcess("20 factors", 1), 60, [29, 30, 31])
    minutes = Timeline((np.arange(60) // 6).astype(np.int32), 10.0 * (np.arange(60) % 6), 10.0)
    files = references_of(embeddings, minutes)
    assert list(strange(files, every(files))) == [29, 30, 31]
    clips = references_of(embeddings)
    assert strange(clips, every(clips)) == {}  # three clips of a rare state


def test_very_strange_windows_hide_no_others() -> None:
    process = NormalProcess("3 states", 2)
    embeddings = process.windows(80)
    embeddings[10] += 1000.0 * process.direction()
    embeddings[40] += 50.0 * process.direction()
    references = in_a_row(embeddings)
    assert list(strange(references, every(references))) == [10, 40]


def test_when_many_windows_stand_out_none_is_strange() -> None:
    process = NormalProcess("isotropic", 0)
    embeddings = process.windows(40)
    for row in range(0, 40, 2):
        embeddings[row] += 200.0 * process.direction()
    references = references_of(embeddings)
    assert strange(references, every(references)) == {}


def test_only_candidates_are_found() -> None:
    embeddings = passing(NormalProcess("5 factors", 5), 60, [5])
    embeddings = np.concatenate([embeddings, embeddings[[20]], passing(NormalProcess("5 factors", 5), 1, [0])])
    references = references_of(embeddings)
    new = np.arange(len(embeddings)) >= 60
    assert list(copies(references, new)) == [60]
    assert copies(references, ~new) == {}
    assert 5 not in strange(references, new)


def test_few_windows_are_no_rest() -> None:
    references = references_of(passing(NormalProcess("5 factors", 5), 9, [5]))
    assert strange(references, every(references)) == {}
    assert copies(references_of(np.ones((2, 4), np.float32)), np.ones(2, np.bool_)) == {}


def test_copies_are_told_from_the_first_of_each_sound() -> None:
    embeddings = NormalProcess("20 factors", 4).windows(40)
    rounding = np.float32(1.0) + np.float32(1e-4) * NormalProcess("isotropic", 0).windows(5)
    embeddings = np.concatenate([embeddings, embeddings[[3, 9, 3, 30]], embeddings[5:10] * rounding])
    references = references_of(embeddings)
    expected = {40: 3, 41: 9, 42: 3, 43: 30, 44: 5, 45: 6, 46: 7, 47: 8, 48: 9}
    assert copies(references, every(references)) == expected


@pytest.mark.parametrize("times", [2, 3, 30])
def test_every_window_several_times(times: int) -> None:
    embeddings = np.tile(NormalProcess("5 factors", 4).windows(12), (times, 1))
    references = references_of(embeddings)
    assert copies(references, every(references)) == {row: row % 12 for row in range(12, 12 * times)}


def test_windows_that_are_all_the_same_are_left_to_the_error_of_the_bank() -> None:
    references = references_of(np.ones((30, DIMENSIONS), np.float32))
    assert copies(references, every(references)) == {}
    assert strange(references, every(references)) == {}


def test_windows_that_share_sound_are_no_copies() -> None:
    embeddings = np.repeat(NormalProcess("5 factors", 1).windows(30), 2, axis=0)
    timeline = Timeline(np.zeros(60, np.int32), 5.0 * np.arange(60), 10.0)
    assert copies(references_of(embeddings, timeline), np.ones(60, np.bool_)) == {}


@pytest.mark.parametrize("count", [6, 15, 30])
def test_a_steady_state_is_no_copy(count: int) -> None:
    """A machine that idles now and then: idle windows are far nearer to each other than the others."""
    rng = np.random.default_rng(0)
    idle = 3.0 + 0.02 * rng.standard_normal((count, DIMENSIONS))
    references = references_of(np.concatenate([idle, rng.standard_normal((30, DIMENSIONS))]).astype(np.float32))
    assert copies(references, every(references)) == {}


@pytest.mark.parametrize(("machine", "expected"), [("drone", [23]), ("slider", []), ("fan", [])])
def test_real_machines(machines: Path, machine: str, expected: list[int]) -> None:
    """Of the drone one clip is three times as far from all others as those are from each other."""
    model = Model(threads=1)
    files = sorted((machines / machine / "train").glob("*normal*.wav"))
    references = references_of(
        np.stack([model.embed(read_windows(file, model.info.samples)[0]).embedding for file in files])
    )
    assert apart(len(references)).independent() == len(files)
    assert list(strange(references, every(references))) == expected
    assert copies(references, every(references)) == {}
