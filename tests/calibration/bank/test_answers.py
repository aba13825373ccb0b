"""What a bank keeps of answers: which windows count for what, and that a file which does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd_edge.calibration.bank.answers import Answer, Answered
from asd_edge.calibration.bank.bank import Bank, load_bank, make_bank
from asd_edge.calibration.bank.bank_file import open_bank_file, write_bank_file
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.sessions import scored_by_others, sessions_of
from asd_edge.calibration.contract.references import Recording, References, Timeline
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.calibration.scorers.registry import require_scorer, scorer_names

DIM = 4
ANSWERS = (
    Answer("normal", "2026-01-01T00:00:00+00:00", 3, 1, note="cleaning"),
    Answer("fault", "2026-01-02T00:00:00+00:00", 2, 2),
    Answer("days", "2026-01-03T00:00:00+00:00", 20, 1, undone="2026-01-04T00:00:00+00:00"),
)
INFO = BankInfo(
    "0" * 64, "model", 10.0, 10.0, created="2026-01-01T00:00:00+00:00", recordings=(Recording("a", "mic"),),
    answers=ANSWERS,
)  # fmt: skip


def timeline(rows: Any) -> Timeline:
    starts_s = 10.0 * np.asarray(rows, np.float64)
    return Timeline(np.zeros(len(starts_s), np.int32), starts_s, 10.0)


def references(embeddings: Any) -> References:
    return References(
        np.asarray(embeddings, np.float32), timeline(range(len(embeddings))), np.full(len(embeddings), "")
    )


def answered(chosen: int = 3, first: int = 40) -> Answered:
    return (
        Answered.nothing(10.0, DIM, False)
        .with_normal(0, timeline(range(first, first + 3)), np.arange(3) < chosen, np.full(3, -1, np.int32))
        .with_fault(1, np.full((2, DIM), 9.0, np.float32), None)
    )


def bank(chosen: int = 3) -> Bank:
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(43, DIM))
    embeddings[40:] += 8.0
    return make_bank(INFO, references(embeddings), answered=answered(chosen))


def test_answers_are_kept_in_the_file(tmp_path: Path) -> None:
    made = bank()
    made.save(tmp_path / "b.npz")
    loaded = load_bank(tmp_path / "b.npz")
    assert loaded.info.answers == ANSWERS
    assert loaded.answered is not None
    assert made.answered is not None
    for name in ("numbers", "picked", "sessions", "fault_numbers", "faults"):
        assert np.array_equal(getattr(loaded.answered, name), getattr(made.answered, name)), name
    assert np.array_equal(loaded.answered.timeline.starts_s, made.answered.timeline.starts_s)


def test_windows_that_were_picked_are_compared_with_and_not_ranked() -> None:
    with_picked, with_all = bank(), bank(chosen=0)
    assert np.isinf(with_picked.normal_scores[40:]).all()
    assert np.isfinite(with_all.normal_scores).all()
    assert len(with_picked.ranked.descending) == 40
    assert len(with_all.ranked.descending) == 43
    assert with_picked.ranked.descending[0] < with_all.ranked.descending[0], "three strange windows are no tail"
    for made in (with_picked, with_all):
        assert made.scorer().score(type("Output", (), {"embedding": made.references.embeddings[41]})()) == 0.0


def test_a_session_is_scored_by_a_bank_of_the_others_alone() -> None:
    """By hand: mean and deviation of the other session, and the distance to its nearest window."""
    rng = np.random.default_rng(2)
    embeddings = np.concatenate([rng.normal(size=(20, DIM)), 1.0 + rng.normal(size=(20, DIM))])
    made = references(embeddings)
    second = timeline(range(20, 40))
    days = Answered.nothing(10.0, DIM, False).with_normal(2, second, np.zeros(20, np.bool_), np.full(20, 5, np.int32))
    info = replace(INFO, answers=(*ANSWERS[:2], replace(ANSWERS[2], undone="")))
    x = made.embeddings.astype(np.float64)
    expected = np.empty(40)
    for rows, others in ((slice(0, 20), x[21:]), (slice(20, 40), x[:19])):  # the neighbour in time is left out, too
        mean, deviation = others.mean(axis=0), others.std(axis=0)
        apart = ((x[rows] - mean) / deviation)[:, None] - ((others - mean) / deviation)[None]
        expected[rows] = np.linalg.norm(apart, axis=2).min(axis=1)
    sessions = sessions_of(made.timeline, days)
    assert sessions is not None
    reaching = replace(made, timeline=replace(made.timeline, reach_s=15.0))
    found = scored_by_others("nearest", reaching, sessions, np.zeros(40))
    assert found == pytest.approx(expected, rel=1e-5)
    learned = make_bank(info, made, answered=days)
    alone = make_bank(info, made)
    assert learned.normal_scores.mean() > 1.1 * alone.normal_scores.mean(), "the other day is another"


@pytest.mark.parametrize("scorer", scorer_names())
def test_every_scorer_learns_from_days_and_alarms(scorer: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rebuilds = require_scorer(scorer).rebuilds
    errors = rng.gamma(5.0, size=90) if rebuilds else None
    made = replace(references(rng.normal(size=(90, DIM))), reconstruction_errors=errors)
    found = (
        Answered.nothing(10.0, DIM, rebuilds)
        .with_normal(2, timeline(range(40, 80)), np.zeros(40, np.bool_), np.full(40, 301, np.int32))
        .with_normal(0, timeline(range(80, 90)), np.ones(10, np.bool_), np.full(10, -1, np.int32))
    )
    info = replace(INFO, scorer=scorer, answers=(*ANSWERS[:2], replace(ANSWERS[2], undone="")))
    learned = make_bank(info, made, answered=found)
    assert learned.ready
    assert np.isfinite(learned.normal_scores[:80]).all()
    assert np.isinf(learned.normal_scores[80:]).all()
    learned.save(tmp_path / "b.npz")
    assert load_bank(tmp_path / "b.npz").info == learned.info


def test_a_session_that_is_nearly_all_is_cut_into_parts_that_follow_each_other() -> None:
    days = Answered.nothing(10.0, DIM, False)
    days = days.with_normal(2, timeline(range(10, 110)), np.zeros(100, np.bool_), np.full(100, 5, np.int32))
    sessions = sessions_of(timeline(range(110)), days)
    assert sessions is not None
    assert len(set(sessions[:10].tolist())) == 1
    parts = sessions[10:].reshape(4, 25)
    assert (parts == parts[:, :1]).all()
    assert len({*parts[:, 0].tolist(), sessions[0]}) == 5
    picked = days.with_normal(0, timeline([109]), np.ones(1, np.bool_), np.full(1, -1, np.int32))
    found = sessions_of(timeline(range(110)), picked)
    assert found is not None
    assert found[-1] == -1
    assert sessions_of(timeline(range(43)), answered()) is None, "alarms are no day"
    assert sessions_of(timeline(range(43)), None) is None


def test_what_came_by_one_answer_goes_with_it() -> None:
    both = answered().with_normal(2, timeline(range(10, 13)), np.zeros(3, np.bool_), np.full(3, 1, np.int32))
    assert both.of(0).starts_s.tolist() == [400.0, 410.0, 420.0]
    assert both.without(0).of(2).starts_s.tolist() == [100.0, 110.0, 120.0]
    assert both.without(1).faults.shape == (0, DIM)
    over = both.with_normal(2, timeline([41]), np.zeros(1, np.bool_), np.full(1, 1, np.int32))
    assert over.of(0).starts_s.tolist() == [400.0, 420.0]
    assert over.of(2).starts_s.tolist() == [100.0, 110.0, 120.0, 410.0]


SPOILED = {
    "an answer too far": ("answered_numbers", lambda array: array + 3),
    "a fault of no answer": ("fault_numbers", lambda array: array + 3),
    "a recording too far": ("answered_recordings", lambda array: array + 1),
    "another length": ("answered_starts_s", lambda array: array[:-1]),
    "no times": ("answered_starts_s", None),
    "faults of other dimensions": ("fault_embeddings", lambda array: array[:, :-1]),
    "faults that are no numbers": ("fault_embeddings", lambda array: array * np.float32(np.nan)),
    "no numbers of faults": ("fault_numbers", None),
    "a session below all": ("answered_sessions", lambda array: array - 1),
    "picked as numbers": ("answered_picked", lambda array: array.astype(np.int8)),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_file_whose_answers_do_not_fit_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "b.npz"
    bank().save(path)
    with open_bank_file(path) as (values, arrays):
        name, change = SPOILED[what]
        changed = {key: array for key, array in arrays.items() if key != name}
        if change is not None:
            changed[name] = change(arrays[name])
        write_bank_file(path, values, changed)
    with pytest.raises(BankError, match="damaged"):
        load_bank(path)


@pytest.mark.parametrize(
    "told",
    [
        7,
        [7],
        [{"kind": "normal"}],
        [{"kind": "other", "time": "", "windows": 1}],
        [{"kind": "normal", "time": "", "windows": -1}],
        [{"kind": "normal", "time": "", "windows": True}],
        [{"kind": "normal", "time": 1, "windows": 1}],
        [{"kind": "normal", "time": "", "windows": 1, "note": "x" * 10_001}],
        [{"kind": "days", "time": "", "windows": 1, "levels_before_db": [1.0]}],
        [{"kind": "days", "time": "", "windows": 1, "levels_before_db": ["x"] * 64}],
        [{"kind": "days", "time": "", "windows": 1, "deviation_before_db": "x"}],
    ],
)
def test_a_history_that_does_not_fit_is_refused(tmp_path: Path, told: Any) -> None:
    path = tmp_path / "b.npz"
    bank().save(path)
    with open_bank_file(path) as (values, arrays):
        names = ("answered_", "fault_")
        write_bank_file(path, values | {"answers": told}, {k: a for k, a in arrays.items() if not k.startswith(names)})
    with pytest.raises(BankError, match="damaged"):
        load_bank(path)


def test_an_answer_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="cannot have this answer"):
        Answer("perhaps", "", 1)
