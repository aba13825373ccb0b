"""Who runs when, and which rounds something else disturbed."""

from __future__ import annotations

from itertools import islice

import pytest

from asd_edge.benchmarks.probes import interleaved
from asd_edge.benchmarks.probes.interleaved import interleave


def test_all_take_turns_in_an_order_that_changes() -> None:
    ran: list[str] = []

    def run(name: str) -> str:
        ran.append(name)
        return name

    rounds = islice(interleave([lambda: run("a"), lambda: run("b"), lambda: run("c")], [1, 2, 1]), 3)
    assert [each.gave for each in rounds] == [[["a"], ["b", "b"], ["c"]]] * 3
    turns = ["".join(ran[start : start + 4]) for start in (0, 4, 8)]
    assert turns == ["bbca", "cabb", "abbc"]


def test_a_round_with_a_slow_probe_was_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after; what is slow for good becomes the usual."""
    slow, usual = 0.2, 0.1
    probes = [usual, usual, usual, slow, slow, usual, *[slow] * 60]
    monkeypatch.setattr(interleaved, "_probe", lambda: probes.pop(0))
    monkeypatch.setattr(interleaved, "_SETTLE_S", 0.0)
    disturbed = [each.disturbed for each in islice(interleave([lambda: None], [1]), 30)]
    assert disturbed[:4] == [False, True, True, True]
    assert disturbed[-1] is False
