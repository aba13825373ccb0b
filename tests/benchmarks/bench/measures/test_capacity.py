"""How many microphones are carried, in time that passes only while a window is scored or waited for."""

from __future__ import annotations

from itertools import cycle

import pytest
from virtual_clock import VirtualClock

from asd_edge.benchmarks.bench.measures.capacity import Carried, microphones_carried


class Device:
    """Takes its time for a batch."""

    def __init__(self, *took_s: float) -> None:
        self.clock = VirtualClock()
        self._took_s = cycle(took_s)

    def score_batch(self) -> None:
        self.clock.moment += next(self._took_s)

    def carries(self, usual_s: float, batch: int = 1, duration_s: float = 1000.0) -> Carried:
        return microphones_carried(self.score_batch, usual_s, batch, 10.0, duration_s, self.clock)


@pytest.mark.parametrize("took_s", [0.01, 0.1, 0.5])
def test_thirty_percent_of_the_hop_are_to_spare(took_s: float) -> None:
    """Ten seconds of windows must be scored in seven; to one part in fifty, by trials of limited length."""
    found = Device(took_s).carries(took_s)
    assert found.limit_found
    assert found.microphones == pytest.approx(7.0 / took_s, rel=0.04, abs=1)


def test_it_is_what_was_run_and_not_what_was_promised() -> None:
    """Whoever believes a window to take 0.05 s, or 0.5 s, finds the same."""
    for believed_s in (0.05, 0.5):
        assert Device(0.1).carries(believed_s).microphones == pytest.approx(70, rel=0.04)


def test_the_windows_of_a_batch_wait_for_each_other() -> None:
    assert Device(0.4).carries(0.4, batch=8).microphones == pytest.approx(8 * 7.0 / 0.4, rel=0.04)


def test_now_and_then_a_slow_one_is_borne_where_there_is_time_to_catch_up() -> None:
    slow = [0.05] * 19 + [0.25]  # 0.06 on average: 116
    found = Device(*slow).carries(0.05)
    assert found.microphones is not None
    assert 95 <= found.microphones <= 119


@pytest.mark.parametrize(("took_s", "microphones"), [(6.9, 1), (7.1, 0)])
def test_a_model_slower_than_the_hop_carries_none(took_s: float, microphones: int) -> None:
    found = Device(took_s).carries(took_s)
    assert (found.microphones, found.limit_found) == (microphones, True)


def test_with_too_little_time_it_says_what_was_seen() -> None:
    """One number is run in any case; whether it was carried bounds the answer on one side only."""
    fits, fails = Device(0.1).carries(0.1, duration_s=1e-3), Device(0.2).carries(0.1, duration_s=1e-3)
    assert fits.trials == ((59, True),)
    assert (fits.microphones, fits.limit_found) == (59, False)
    assert fails.trials == ((59, False),)
    assert (fails.microphones, fails.limit_found) == (None, True)
