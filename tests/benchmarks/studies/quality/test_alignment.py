"""Alignment alone: the modalities come together."""

from __future__ import annotations

from pathlib import Path

import pytest
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats

from asd_edge.benchmarks.studies.quality import alignment as study
from asd_edge.benchmarks.studies.quality.alignment import AlignmentSettings, alignment


def test_the_distance_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "_WINDOW_SAMPLES", 16_000)
    write_machine(tmp_path / "data", "fan", 300.0, clips=6)
    checkpoint = write_tiny_beats(tmp_path / "tiny.pt", encoder_layers=4)
    alignment(AlignmentSettings(tmp_path / "data", checkpoint, clips=6, steps=12))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[1] for row in rows] == ["0", "2", "4", "6", "8", "10", "12"]
    assert float(rows[-1][3]) < 0.8 * float(rows[0][3])
