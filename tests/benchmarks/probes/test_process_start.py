"""Fresh processes, their memory, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asd_edge.benchmarks.probes.process_start import FreshStart, Start, start_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_every_variant_starts_fresh_in_every_round() -> None:
    quick = Start("quick", ["import sys; print(1.0, flush=True); sys.stdin.read()"])
    large = Start("large", ["import sys; held = b'x' * 100_000_000; print(1.0, flush=True); sys.stdin.read()"])
    start_all([quick, large], rounds=2)
    assert [len(start.took_s) for start in (quick, large)] == [2, 2]
    assert min(quick.took_s + large.took_s) > 0.0
    for small, big in zip(quick.memory, large.memory, strict=True):
        assert 95e6 < big.anonymous - small.anonymous < 110e6
        assert big.resident <= big.peak
    small_start, big_start = FreshStart.of(quick), FreshStart.of(large)
    assert 95e6 < big_start.private_bytes - small_start.private_bytes < 110e6


def test_what_only_the_measuring_process_shares_counts_as_private(tmp_path: Path) -> None:
    """A file that both have mapped would be private if nobody measured."""
    import mmap

    path = tmp_path / "weights"
    path.write_bytes(b"w" * 50_000_000)
    mapping = (
        "import mmap, sys; file = open(sys.argv[1], 'rb'); held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)"
    )
    without, beside = (
        Start("maps", [f"{mapping}; sum(held[::4096]); print(1.0, flush=True); sys.stdin.read()", str(path)])
        for _ in range(2)
    )
    without.run()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as held:
        assert held[::4096].count(b"w") > 0
        beside.run()
    alone, shared = FreshStart.of(without), FreshStart.of(beside)
    assert beside.memory[0].private < alone.private_bytes - 40e6
    assert shared.private_bytes == pytest.approx(alone.private_bytes, abs=10e6)
    assert shared.anonymous_bytes < 30e6


def test_a_variant_that_ends_without_a_score_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="broken ended without a score"):
        Start("broken", ["import sys; sys.exit(1)"]).run()
