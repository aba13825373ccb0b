"""What a model file and the record of a cache may hold, tried by the hundred; the study tries many times as many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asd_edge.benchmarks.studies.endurance.fuzz_models import (
    Starting,
    fuzz_models,
    mutate_model,
    whole_models,
    whole_record,
)
from asd_edge.benchmarks.studies.endurance.fuzzing import FuzzSettings, fuzz
from asd_edge.runtime.inference.cache_record import Record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process that tries is a copy of this one")


def test_whole_models_and_records_are_used(tmp_path: Path) -> None:
    for content in whole_models():
        Starting(tmp_path)(content)
    (tmp_path / "cache.json").write_bytes(whole_record())
    assert Record.read(tmp_path / "cache.json") is not None


def test_no_model_can_do_more_than_be_used_or_refused(tmp_path: Path) -> None:
    seeds = [*whole_models(), whole_record()]
    report = fuzz("models", seeds, Starting(tmp_path), 300, seed=1, mutate=mutate_model)
    assert report.failures == ()
    assert report.accepted > 50
    assert report.refused > 50


def test_the_study_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    fuzz_models(FuzzSettings(inputs=20))
    assert "| models | 20 |" in capsys.readouterr().out
