"""Embedding variants: the one that was chosen is the model that is shipped, and rows hold what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asd_edge.benchmarks.studies.quality import embedding_variants as study
from asd_edge.benchmarks.studies.quality.embedding_variants import (
    EmbeddingVariantsSettings,
    embedding_variants,
    modulation_bands,
    nearest_scores,
    variants,
)
from asd_edge.export.systems.logmel.model import LogMelStatistics

RATE_HZ = 16_000


def test_the_chosen_variant_is_the_model() -> None:
    sound = torch.from_numpy(np.random.default_rng(0).normal(0.0, 0.1, (1, 10 * RATE_HZ)).astype(np.float32))
    model = LogMelStatistics().eval()
    with torch.no_grad():
        found = variants()["u_32 + u_64 + mean without level"](model.spectrogram(sound)[0].numpy())
        np.testing.assert_allclose(found, model(sound)[0].numpy(), atol=1e-4)


def test_a_course_of_5_hz_is_in_its_band() -> None:
    """A sine of amplitude 1 has a root mean square of 0.707."""
    course = np.sin(2.0 * np.pi * 5.0 * np.arange(1000) / 100.0)
    assert modulation_bands(course[None]) == pytest.approx([0.0, 0.5**0.5, 0.0, 0.0], abs=1e-6)


def test_scores_are_distances_to_the_nearest() -> None:
    """Two dimensions of deviation 1 and mean 0: 3 from (1, -1) to (1, 2)."""
    references = [np.array(each) for each in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))]
    assert nearest_scores(references, [np.array([1.0, 4.0]), np.array([1.0, 1.0])]) == pytest.approx([3.0, 0.0])


def test_every_variant_has_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "_DRAWS", 1)
    rng = np.random.default_rng(0)
    for machine in ("fan",):
        for split, label, count in (("train", "normal", 11), ("test", "normal", 2), ("test", "anomaly", 2)):
            for index in range(count):
                path = tmp_path / machine / split / f"section_00_source_{split}_{label}_{index:04d}_noAttribute.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                loud = 0.5 if label == "anomaly" else 0.05
                soundfile.write(path, rng.normal(0.0, loud, RATE_HZ), RATE_HZ)
    embedding_variants(EmbeddingVariantsSettings(tmp_path, main="fan", bootstrap=2))
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[1 : 1 + len(variants())]] == list(variants())
    mean = rows[1]
    assert mean[1:5] == ["127", "1.000", "-", "1.000"]  # ten times as loud is not normal
