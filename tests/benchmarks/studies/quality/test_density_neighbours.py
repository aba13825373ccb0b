"""Local density by hand: four references on a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dcase_clips import write_machine

from asd_edge.benchmarks.studies.quality.density_neighbours import (
    DensityNeighboursSettings,
    Distances,
    density_neighbours,
    density_scores,
)
from asd_edge.calibration.errors import InputError

REFERENCES = np.array([0.0, 1.0, 3.0, 11.0])


def test_a_distance_counts_in_units_of_how_far_apart_normal_windows_lie() -> None:
    """At 12, it is 1 to the stranger at 11, whose nearest are 8, or 8 and 10, away: in the mean 9."""
    among = np.abs(REFERENCES[:, None] - REFERENCES[None, :])
    to = np.abs(np.array([[12.0]]) - REFERENCES[None, :])
    distances = Distances(among, to, np.zeros(1), [])
    assert density_scores(distances, 1) == pytest.approx([1.0 / 8.0])
    assert density_scores(distances, 2) == pytest.approx([1.0 / 9.0])


def test_a_machine_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_machine(tmp_path, "fan", 300.0, clips=3)
    with pytest.raises(InputError, match="no such machine"):
        density_neighbours(DensityNeighboursSettings(tmp_path, machine="pump"))
