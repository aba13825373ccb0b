"""What a bank's file may hold, tried by the thousand; the study tries a hundred times as many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asd_edge.benchmarks.studies.endurance.fuzz_banks import Using, fuzz_banks, mutate_bank, whole_banks
from asd_edge.benchmarks.studies.endurance.fuzzing import FuzzSettings, fuzz

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process that tries is a copy of this one")


def test_whole_banks_are_used(tmp_path: Path) -> None:
    """What is mutated is whole to begin with: a reader that refuses everything would look safe."""
    for content in whole_banks():
        Using(tmp_path)(content)


def test_no_bank_can_do_more_than_be_used_or_refused(tmp_path: Path) -> None:
    report = fuzz("banks", whole_banks(), Using(tmp_path), 400, seed=1, mutate=mutate_bank)
    assert report.failures == ()
    assert report.accepted > 5
    assert report.refused > 200


def test_the_study_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    fuzz_banks(FuzzSettings(inputs=20))
    assert "| banks | 20 |" in capsys.readouterr().out
