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


def test_late_sound_that_comes_after_all_is_never_lost_however_slowly_it_comes() -> None:
    """Stopped for 0.7 s and running for 0.3 s, fifteen times; each burst takes 0.25 s to come."""
    arrivals = []
    for n in range(200):
        made_s = BLOCK_S * n
        cycle, into_s = divmod(made_s - 2.0, 1.0)
        stopped = 0 <= cycle < 15 and into_s < 0.7
        arrivals.append(2.0 + cycle + 0.7 + 0.25 * into_s / 0.7 if stopped else made_s)
    arrivals = np.maximum.accumulate(arrivals).tolist()
    found, dropouts = verdicts(arrivals)
    assert "lost" not in found
    assert found.count("late") >= 15
    assert dropouts.offset_s == pytest.approx(
        -BLOCK_S, abs=0.01
    )  # a block that comes when it is complete begins before


@pytest.mark.parametrize("wrong_s", [0.3, -0.3])
def test_a_clock_that_was_set_by_a_late_block_is_put_right(wrong_s: float) -> None:
    """The first block is no different from others: it may come late, and the time must not stay wrong by it."""
    dropouts, offsets = DropoutDetector(RATE_HZ), []
    for n in range(200):
        dropouts.add(BLOCK_S * n + (wrong_s if n == 0 else 0.0), BLOCK)
        offsets.append(dropouts.offset_s)
    assert offsets[-1] == pytest.approx(-BLOCK_S, abs=1e-6)
    assert np.abs(np.diff(offsets)).max() <= 0.1 * BLOCK_S + 1e-9  # time never runs backwards


def test_a_drifting_clock_is_followed() -> None:
    """A day of blocks from a converter that runs 100 ppm slow: by its own clock the day would be 8.6 s too short."""
    dropouts, block_s, frames = DropoutDetector(RATE_HZ), 0.2, round(0.2 * RATE_HZ)
    for n in range(1, 5 * 86_400):
        dropouts.add(block_s * (1 + 1e-4) * n, frames)
    begin_s = (5 * 86_400 - 2) * block_s
    assert begin_s + dropouts.offset_s == pytest.approx(begin_s * (1 + 1e-4), abs=0.01)


def test_a_computer_that_slept_lost_what_it_slept_through() -> None:
    arrivals = [BLOCK_S * n + (3600.0 if n >= 20 else 0.0) for n in range(60)]
    found, dropouts = verdicts(arrivals)
    assert found.count("lost") == 1
    assert dropouts.lost_s == pytest.approx(3600.0, abs=1e-6)


def test_a_computer_that_never_gets_to_it_is_not_waited_for_without_end() -> None:
    """Nothing comes at a steady pace any more: after ten seconds the least that is missing counts."""
    arrivals = [BLOCK_S * n for n in range(20)]
    arrivals += [BLOCK_S * n + 2.0 + 0.5 * (n // 7 % 2) for n in range(20, 160)]
    found, dropouts = verdicts(np.maximum.accumulate(arrivals).tolist())
    assert found.count("lost") == 1
    assert 9.0 < arrivals[found.index("lost")] - 2.0 < 14.5
    assert dropouts.lost_s == pytest.approx(2.0, abs=0.11)


def test_the_hole_of_a_burst_lies_at_its_end() -> None:
    """Two of twelve seconds are missing: what holds sound back fills up with ten, and takes no more."""
    arrivals = [BLOCK_S * n for n in range(20)]
    arrivals += [14.0] * 100 + [BLOCK_S * n + 2.0 for n in range(120, 160)]
    found, dropouts = verdicts(arrivals)
    assert found.count("lost") == 1
    assert dropouts.lost_s == pytest.approx(2.0, abs=0.01)
    assert 98 <= dropouts.before_hole <= 100 <= dropouts.after_hole <= 102


def test_a_hole_that_the_device_tells_of_is_measured_by_the_clock() -> None:
    dropouts = DropoutDetector(RATE_HZ)
    found = [dropouts.add(BLOCK_S * n + (0.3 if n >= 20 else 0.0), BLOCK, broken=n == 20) for n in range(40)]
    assert found.index("lost") == 30
    assert dropouts.lost_s == pytest.approx(0.3, abs=1e-6)
    assert dropouts.before_hole == dropouts.after_hole == 0
