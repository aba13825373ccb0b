"""What the runtime costs: that every figure is measured, not that this computer is fast."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asd_edge.benchmarks.studies.cost.runtime_cost import RuntimeCostSettings, runtime_cost

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


@pytest.mark.long
@pytest.mark.usefixtures("undisturbed")
def test_every_figure_of_the_cost_is_measured(short_model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With windows of 1 s, of which six seconds hold enough."""
    runtime_cost(RuntimeCostSettings(seconds=6.0, runs=1, model=str(short_model_path), references=500))
    shown = capsys.readouterr().out
    for subject in (
        "asd-edge --help",
        "start to first score",
        "listen: resident memory",
        "listen: private memory",
        "listen: the model",
        "listen: all else, JSON lines",
        "listen: all else, terminal",
        "a score, 500 x 1536",
        "the same, norm(X - q)",
    ):
        assert f"\n{subject} " in shown
    assert shown.count(" met") + shown.count(" missed") == 6
