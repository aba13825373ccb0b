from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asd_edge.benchmarks.studies.cost import scale
from asd_edge.benchmarks.studies.cost.peers import scoring
from asd_edge.benchmarks.studies.cost.peers.scoring import OURS, score_times
from asd_edge.benchmarks.studies.cost.scale import score_costs
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.scorers.nearest import NearestNeighbour


def test_every_way_to_score_is_timed() -> None:
    found = score_times(50, 8)
    assert next(iter(found)) == OURS
    assert {"norm(X - q)", "scikit-learn, brute force"} <= found.keys()
    assert all(took_s > 0.0 for took_s in found.values())


def test_a_way_that_finds_another_distance_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_: NearestNeighbour, output: ModelOutput) -> float:
        return float(np.linalg.norm(output.embedding)) + 1.0

    monkeypatch.setattr(scoring.NearestNeighbour, "score", wrong)
    with pytest.raises(ValueError, match="another nearest distance than the runtime"):
        score_times(50, 8)


def test_scores_over_more_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = score_costs([20, 5000], 16, tmp_path)  # more than one block, and one that is not full
    assert [(each.way, each.references) for each in found] == [
        (way, count) for count in (20, 5000) for way in scale.WAYS
    ]
    assert all(each.median_s > 0.0 and 10e6 < each.private_bytes <= each.resident_bytes for each in found)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(scale, "_TOLERANCE", 1e-9)
    with pytest.raises(
        ValueError, match=r"float16, mapped: the nearest of 20 is|float32, mapped: the nearest of 20 is"
    ):
        score_costs([20], 16, tmp_path)
