"""The peer that BEATs is measured against computes the same, and the measurement refuses what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_beats import write_tiny_beats

from asd_edge.benchmarks.studies.cost.peers import beats_peers
from asd_edge.benchmarks.studies.cost.peers.beats_peers import BASELINE, Timing, measure, variants_of
from asd_edge.benchmarks.studies.cost.peers.peers import draw_models, draw_scoring
from asd_edge.benchmarks.studies.cost.peers.plain_beats import load_plain_beats
from asd_edge.calibration.errors import ModelError
from asd_edge.export.beats.encoder import load_beats


def test_the_plain_encoder_is_the_folded_one(tmp_path: Path) -> None:
    checkpoint = write_tiny_beats(tmp_path / "tiny.pt")
    window = torch.from_numpy(np.random.default_rng(0).normal(0.0, 0.1, (2, 16_000)).astype(np.float32))
    expected = load_beats(checkpoint, samples=16_000)(window).mean(dim=1)
    torch.testing.assert_close(load_plain_beats(checkpoint)(window), expected, rtol=0, atol=1e-5)


@pytest.mark.long
@pytest.mark.usefixtures("undisturbed")
def test_every_variant_is_timed_in_every_round_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(*_: object) -> None:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nand so on")

    monkeypatch.setattr(beats_peers, "_compiled", no_compiler)  # with one it would take half a minute
    timings = variants_of(write_tiny_beats(tmp_path / "tiny.pt"), tmp_path)
    left_out = "left out, PyTorch compiled, the same module: InvalidCxxCompiler: No working C++ compiler found"
    assert left_out in caplog.messages
    measure(timings, rounds=2)
    assert timings[0].name == BASELINE
    assert len(timings) >= 4
    assert all(len(timing.took_s) == 2 and min(timing.took_s) > 0.0 for timing in timings)
    draw_models(timings, tmp_path / "figures" / "peers.svg")
    drawn = (tmp_path / "figures" / "peers.svg").read_text()
    assert all(f">{timing.name}</text>" in drawn for timing in timings)


def test_a_device_that_is_not_here_is_refused_and_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no cuda provider"):
        variants_of(write_tiny_beats(tmp_path / "tiny.pt"), tmp_path, "cuda")


def test_scores_are_drawn(tmp_path: Path) -> None:
    draw_scoring({100: {"ours": 1e-4, "theirs": 2e-4}, 1000: {"ours": 1e-3, "theirs": 3e-3}}, tmp_path / "scores.svg")
    drawn = (tmp_path / "scores.svg").read_text()
    assert ">ours</text>" in drawn
    assert ">theirs</text>" in drawn


def test_a_variant_that_computes_something_else_is_refused() -> None:
    def same(window: NDArray[np.float32]) -> NDArray[np.float32]:
        return window[:, :3]

    with pytest.raises(ValueError, match="wrong differs from right by"):
        measure([Timing("right", same), Timing("wrong", lambda window: same(window) + np.float32(1))], rounds=1)
