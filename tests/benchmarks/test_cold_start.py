"""Fresh processes, their memory, and what is refused."""

from __future__ import annotations

import sys

import pytest

from asd_edge.benchmarks.cold_start import Start, measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_every_variant_starts_fresh_in_every_round() -> None:
    quick = Start("quick", ["import sys; print(1.0, flush=True); sys.stdin.read()"])
    large = Start("large", ["import sys; held = b'x' * 100_000_000; print(1.0, flush=True); sys.stdin.read()"])
    first = measure([quick, large], rounds=2)
    assert first.keys() == {"quick", "large"}
    assert [len(start.took_s) for start in (quick, large)] == [2, 2]
    assert min(first["large"], *large.took_s) > 0.0
    for small, big in zip(quick.memory, large.memory, strict=True):
        assert 95e6 < big.anonymous - small.anonymous < 110e6
        assert big.resident <= big.peak


def test_a_variant_that_ends_without_a_score_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="broken ended without a score"):
        Start("broken", ["import sys; sys.exit(1)"]).run()
