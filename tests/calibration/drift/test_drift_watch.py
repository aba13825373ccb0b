"""Each kind of change by a small simulated stream, and what is no change."""

from __future__ import annotations

import time

import numpy as np
import pytest

from asd_edge.calibration.bank.bank import Bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.drift.drift_watch import Change, DriftWatch

HOP_S = 10.0
HOUR = 360
DAY = 24 * HOUR
BANDS_DB = np.linspace(-40.0, -70.0, 64)


class Machine:
    """Windows of independent dimensions, with levels that scatter by half a decibel."""

    def __init__(self, dimensions: int = 24, seed: int = 0, windows: int = 120, levels: bool = True) -> None:
        self.rng = np.random.default_rng(seed)
        self.dimensions, self.levels = dimensions, levels
        self.bank = self._bank(windows, levels)
        self.scorer = self.bank.scorer()
        self.watch = DriftWatch(self.bank, HOP_S)
        self.at = 0
        self.told: list[tuple[int, Change]] = []

    def _bank(self, windows: int, levels: bool) -> Bank:
        info = BankInfo("0" * 64, "simulated", HOP_S, HOP_S)
        if levels:
            info = BankInfo(
                "0" * 64, "simulated", HOP_S, HOP_S, band_levels_db=tuple(BANDS_DB.tolist()), level_deviation_db=0.5
            )
        embeddings = self.rng.standard_normal((windows, self.dimensions)).astype(np.float32)
        timeline = Timeline(np.zeros(windows, np.int32), HOP_S * np.arange(windows, dtype=float), HOP_S)
        return make_bank(info, References(embeddings, timeline, np.full(windows, "")))

    def hear(self, count: int, shift: np.ndarray | None = None, louder_db: np.ndarray | float = 0.0) -> list[Change]:
        """Listen to so many windows; what is told of them.

        Args:
            count: The number of windows.
            shift: (dim,) or (windows, dim) what is added to each.
            louder_db: What is added to the levels of the bands, a number, (bands,) or (windows, 1).
        """
        embeddings = self.rng.standard_normal((count, self.dimensions))
        embeddings = (embeddings + (0.0 if shift is None else shift)).astype(np.float32)
        levels = BANDS_DB + 0.5 * self.rng.standard_normal((count, 1)) + louder_db
        begins = len(self.told)
        for embedding, row in zip(embeddings, levels.astype(np.float32), strict=True):
            self.at += 1
            score = self.scorer.score(ModelOutput(embedding))
            told = self.watch.add(embedding, score, row if self.levels else None)
            self.told += [(self.at, change) for change in told]
        return [change for _, change in self.told[begins:]]

    def way(self, deviations: float = 1.0) -> np.ndarray:
        """A random direction, so long that the root mean square over the dimensions is that."""
        way = self.rng.standard_normal(self.dimensions)
        return way * deviations / np.sqrt(np.mean(np.square(way)))


@pytest.mark.parametrize("windows", [60, 360])
def test_nothing_is_told_of_two_steady_days(windows: int) -> None:
    assert Machine(windows=windows).hear(2 * DAY) == []


def test_a_gain_of_6_db_is_told_once_within_five_minutes_and_its_end_once() -> None:
    machine = Machine()
    machine.hear(HOUR)
    (change,) = machine.hear(HOUR, louder_db=6.0)
    assert change.kind == "moved"
    assert change.level_db == pytest.approx(6.0, abs=0.5)
    assert machine.told[0][0] - HOUR <= 30
    assert machine.watch.level_now() == pytest.approx(6.0, abs=0.5)
    (over,) = machine.hear(HOUR)
    assert over == Change("as_before", level_db=0.0)
    assert machine.watch.level_now() is None


def test_a_gain_that_changed_before_listening_began_is_told_too() -> None:
    (change,) = Machine().hear(HOUR, louder_db=-9.0)
    assert change.kind == "moved"
    assert change.level_db == pytest.approx(-9.0, abs=0.5)
    assert change.began_s is None


def test_a_machine_that_gets_louder_in_some_bands_is_no_gain() -> None:
    machine = Machine()
    machine.hear(HOUR)
    assert machine.hear(HOUR, louder_db=np.where(np.arange(64) < 40, 8.0, 0.0)) == []


def test_a_level_that_goes_up_and_down_as_it_did_while_enrolling_is_no_gain() -> None:
    """Half of the windows 6 dB louder: a deviation of 3 dB."""
    machine = Machine()
    machine.watch = DriftWatch(
        make_bank(
            BankInfo(
                "0" * 64, "", HOP_S, HOP_S, band_levels_db=tuple((BANDS_DB + 3.0).tolist()), level_deviation_db=3.0
            ),
            machine.bank.references,
        ),
        HOP_S,
    )
    told = [change for _ in range(8) for louder in (0.0, 6.0) for change in machine.hear(HOUR, louder_db=louder)]
    assert told == []


def test_everything_that_moves_at_once_is_told_with_when() -> None:
    machine = Machine()
    machine.hear(HOUR)
    (change,) = machine.hear(HOUR, machine.way(2.0), np.linspace(-6.0, 6.0, 64))
    assert change.kind == "moved"
    assert change.bands == pytest.approx(0.83, abs=0.1)  # of bands from -6 to 6 dB, five in six beyond 1 dB
    assert change.began_s == pytest.approx((machine.told[0][0] - HOUR) * HOP_S, abs=60.0)
    assert machine.told[0][0] - HOUR <= 70


def test_a_state_never_heard_is_told_once_also_where_it_comes_again() -> None:
    machine, state = Machine(), Machine().way(2.0)
    machine.hear(HOUR)
    (change,) = machine.hear(HOUR, state)
    assert change.kind == "new_state"
    assert [change.kind for change in machine.hear(2 * HOUR)] == ["as_before"]
    assert machine.hear(HOUR, state) == []
    assert machine.hear(2 * HOUR) == []


def test_a_fault_that_grows_is_told_as_it_begins_and_as_it_goes_on() -> None:
    machine = Machine()
    machine.hear(HOUR)
    grows = np.linspace(0.0, 6.0, 2 * HOUR)[:, None] * machine.way()
    told = machine.hear(2 * HOUR, grows)
    assert [change.kind for change in told] == ["fault_begins"] * len(told)
    assert 1 <= len(told) <= 4
    assert not told[0].further
    assert all(change.further for change in told[1:])


def test_a_strange_sound_that_comes_and_goes_is_a_fault() -> None:
    machine = Machine()
    machine.hear(HOUR)
    often = (np.arange(HOUR) // 6 % 2)[:, None] * machine.way(3.0)  # a minute of each
    change, *_ = machine.hear(HOUR, often)
    assert change.kind == "fault_begins"
    assert change.comes_and_goes


def test_a_deviation_a_week_is_told_as_slow_within_three_days_and_again_when_doubled() -> None:
    machine = Machine()
    moving = (np.arange(5 * DAY) / (7.0 * DAY))[:, None] * machine.way(1.0)
    told = machine.hear(5 * DAY, moving)
    assert {change.kind for change in told} == {"drift"}
    assert machine.told[0][0] <= 3 * DAY
    assert [change.further for change in told] == [False, True]  # at .2 and at .4 deviations


def test_days_that_differ_are_no_drift() -> None:
    """Each hour of the day has a sound of its own, by up to .3 deviations; every day is like the one before."""
    machine = Machine(windows=360)
    hours = np.sin(2.0 * np.pi * np.arange(4 * DAY) / DAY)[:, None] * machine.way(0.3)
    assert [change.kind for change in machine.hear(4 * DAY, hours) if change.kind == "drift"] == []


def test_a_level_that_rises_slowly_is_a_drift() -> None:
    machine = Machine()
    (change,) = machine.hear(3 * DAY, louder_db=np.linspace(0.0, 5.0, 3 * DAY)[:, None])
    assert change.level_db == pytest.approx(3.0, abs=0.5)
    assert change.kind == "drift"


def test_windows_that_are_kept_by_no_bank_count_for_the_deviations() -> None:
    """A bank that keeps a few of its windows to compare with watches as one that keeps all."""
    from asd_edge.calibration.contract.references import LeftOut

    machine = Machine(windows=300)
    references = machine.bank.references
    kept, rest = np.arange(60), np.arange(60, 300)
    left_out = LeftOut(references.timeline.at(rest), machine.bank.normal_scores[rest], references.at(rest))
    machine.watch = DriftWatch(make_bank(machine.bank.info, references.at(kept), left_out), HOP_S)
    machine.hear(HOUR)
    assert machine.told == []


def test_without_levels_and_with_few_dimensions() -> None:
    machine = Machine(dimensions=3, levels=False)
    machine.hear(HOUR)
    (change,) = machine.hear(HOUR, machine.way(6.0))
    assert change.kind in ("moved", "new_state")
    assert change.bands is None


def test_one_window_takes_less_than_a_fifth_of_a_millisecond_and_memory_is_bounded() -> None:
    machine = Machine(dimensions=381, windows=1000)
    rows = machine.rng.standard_normal((20_000, 381)).astype(np.float32)
    levels = BANDS_DB.astype(np.float32)
    began = time.process_time()
    for row in rows:
        machine.watch.add(row, 1.0, levels)
    assert (time.process_time() - began) / len(rows) < 2e-4
