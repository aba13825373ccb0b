"""The measurement of separation: clips are held out, and what stands beside the separator does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dcase_clips import write_machine

from asd_edge.benchmarks.studies.quality.separation import (
    Gain,
    SeparationSettings,
    compare,
    measure,
    median_filter,
    split_clips,
)
from asd_edge.export.separation.mixtures import Mixtures
from asd_edge.export.separation.settings import MixSettings

MIX = MixSettings(mixtures=3, segment_s=1.0, seed=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Machines an octave and more apart; what noise they have is alike."""
    write_machine(tmp_path, "fan", 300.0, clips=9)
    write_machine(tmp_path, "pump", 2000.0, clips=5)
    return tmp_path


def test_every_fourth_clip_is_held_out(data: Path) -> None:
    known, held = split_clips(data, "fan", "pump")
    assert [len(found.foregrounds) for found in (known, held)] == [7, 2]
    assert [len(found.backgrounds) for found in (known, held)] == [4, 1]
    names = [{source.path for source in (*found.foregrounds, *found.backgrounds)} for found in (known, held)]
    assert not names[0] & names[1]
    assert [source.path.name.split("_")[5] for source in held.foregrounds] == ["0003", "0007"]


def test_the_mixture_itself_gains_nothing_and_the_truth_much(data: Path) -> None:
    held = Mixtures(split_clips(data, "fan", "pump")[1], MIX)
    itself = measure("itself", lambda mixture: np.stack([mixture, mixture]), held)
    np.testing.assert_allclose(itself.improvement_db, 0.0, atol=1e-5)
    parts = iter([held[np.array([row])][1][0].numpy() for row in range(3)])
    truth = measure("truth", lambda _: next(parts), held)
    assert truth.improvement_db.min() > 50.0


def test_median_spectra_separate_what_has_other_frequencies(data: Path) -> None:
    known, held = split_clips(data, "fan", "pump")
    gain = measure("median", median_filter(known), Mixtures(held, MIX))
    assert gain.improvement_db.min() > 5.0


def test_all_methods_are_measured_on_the_same_mixtures(data: Path) -> None:
    gains = compare(SeparationSettings(data, "fan", "pump", seeds=(0, 1), epochs=1, mixtures=4), MIX)
    assert [gain.method.split(",")[0] for gain in gains[3:]] == ["small separator"] * 2
    assert len(gains) == 5
    assert all(isinstance(gain, Gain) and gain.si_sdr_db.shape == (3, 2) for gain in gains)
    assert all(np.array_equal(gain.mixture_db, gains[0].mixture_db) for gain in gains)
    assert not np.array_equal(gains[3].si_sdr_db, gains[4].si_sdr_db)
