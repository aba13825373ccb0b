"""Sound that came late is told from sound that never came, by arrival times alone."""

from __future__ import annotations

import numpy as np
import pytest

from asd_edge.runtime.sources.capture.dropouts import DropoutDetector

RATE_HZ = 48_000
BLOCK = 4800
BLOCK_S = 0.1


def verdicts(arrivals_s: list[float]) -> tuple[list[str], DropoutDetector]:
    dropouts = DropoutDetector(RATE_HZ)
    return [dropouts.add(arrived_s, BLOCK) for arrived_s in arrivals_s], dropouts


def test_jitter_and_a_drifting_clock_are_on_time() -> None:
    """An hour of blocks from a converter that runs 100 ppm slow, with callbacks up to 80 ms late."""
    rng = np.random.default_rng(0)
    arrivals = [BLOCK_S * (1 + 1e-4) * n + rng.uniform(0.0, 0.08) for n in range(36_000)]
    assert set(verdicts(arrivals)[0]) == {"on time"}


def test_held_up_sound_that_comes_in_a_burst_is_late_and_then_on_time() -> None:
    arrivals = [BLOCK_S * n for n in range(20)]
    arrivals += [2.7 + 0.001 * n for n in range(8)]  # blocks 20 to 27, 0.7 s late
    arrivals += [BLOCK_S * n for n in range(28, 40)]
    found, _ = verdicts(arrivals)
    assert found[20] == "late"
    assert "lost" not in found
    assert set(found[28:]) == {"on time"}


@pytest.mark.parametrize("missing_s", [0.45, 2.0])
def test_sound_that_does_not_come_within_a_second_is_lost(missing_s: float) -> None:
    arrivals = [BLOCK_S * n + (missing_s if n >= 20 else 0.0) for n in range(60)]
    found, dropouts = verdicts(arrivals)
    assert found.count("lost") == 1
    assert dropouts.lost_s == pytest.approx(missing_s, abs=1e-6)
    lost = found.index("lost")
    assert set(found[20:lost]) == {"late"}
    assert arrivals[lost] - arrivals[20] == pytest.approx(1.0, abs=0.11)
    assert set(found[lost + 1 :]) == {"on time"}
