"""Fresh processes, their memory, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asd_edge.benchmarks.probes.process_start import FreshStart, Start, start_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_every_variant_starts_fresh_in_every_round() -> None:
    quick = Start.of_python("quick", "import sys; print(1.0, flush=True); sys.stdin.read()")
    large = Start.of_python("large", "import sys; held = b'x' * 100_000_000; print(1.0, flush=True); sys.stdin.read()")
    start_all([quick, large], rounds=2)
    assert [len(start.took_s) for start in (quick, large)] == [2, 2]
    assert min(quick.took_s + large.took_s) > 0.0
    for small, big in zip(quick.memory, large.memory, strict=True):
        assert 95e6 < big.anonymous - small.anonymous < 110e6
        assert big.resident <= big.peak
    assert FreshStart.of(large).anonymous_bytes == pytest.approx(
        sum(each.anonymous for each in large.memory) / 2, abs=1
    )


def test_weights_in_a_mapped_file_are_resident_and_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"w" * 50_000_000)
    mapping = (
        "import mmap, sys; file = open(sys.argv[1], 'rb'); held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)"
    )
    maps = Start.of_python("maps", f"{mapping}; sum(held[::4096]); print(1.0, flush=True); sys.stdin.read()", path)
    maps.run()
    found = FreshStart.of(maps)
    assert found.anonymous_bytes is not None
    assert found.resident_bytes is not None
    assert found.anonymous_bytes < 30e6
    assert found.resident_bytes > 50e6


def test_lines_before_the_score_are_passed_over() -> None:
    program = "import time; print('hello', flush=True); time.sleep(0.3); print('score 1', flush=True)"
    late = Start("late", [sys.executable, "-c", program], marks="score", waits=False)
    late.run()
    assert late.took_s[0] > 0.3
    assert late.memory == []


def test_without_psutil_times_are_measured_and_memory_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    quick = Start.of_python("quick", "import sys; print(1.0, flush=True); sys.stdin.read()")
    quick.run()
    found = FreshStart.of(quick)
    assert found.median_s > 0.0
    assert (found.resident_bytes, found.anonymous_bytes, found.peak_bytes) == (None, None, None)


def test_a_variant_that_ends_without_a_score_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="broken ended without a score"):
        Start.of_python("broken", "import sys; sys.exit(1)").run()
