from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import apart, normalised, random_embeddings, references_of, scores_of
from numpy.typing import NDArray
from scipy import stats

from asd_edge.calibration.bank.bank import Bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.coreset import farthest_first, reduce_bank
from asd_edge.calibration.contract.references import Timeline

INFO = BankInfo("0" * 64, "test", 10.0, 10.0)


def bank_of(references: int, most: int | None, scorer: str = "nearest", hop_s: float = 10.0) -> Bank:
    embeddings = random_embeddings(np.random.default_rng(references), references, 4)
    timeline = Timeline(np.zeros(references, np.int32), hop_s * np.arange(references), 10.0)
    return make_bank(replace(INFO, scorer=scorer, max_references=most), references_of(embeddings, timeline))


def of_all(z: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The rows that are chosen among all of them."""
    (chosen,) = farthest_first(z, np.ones((1, len(z)), np.bool_), count)
    return chosen


def test_the_farthest_come_first_by_hand() -> None:
    z = np.array([[0.0], [1.0], [2.0], [7.0], [-3.0]], np.float32)
    # The mean is 1.4, the window nearest to it at 1; then 7, 6 away; -3, 4 away; 0 and 2 are both 1 away.
    assert of_all(z, 4).tolist() == [1, 3, 4, 0]
    assert sorted(of_all(z, 5)) == [0, 1, 2, 3, 4]


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_no_window_is_farther_from_a_kept_one_than_kept_ones_from_each_other(seed: int, count: int) -> None:
    """What makes the choice at most twice as coarse as the best (Gonzalez 1985)."""
    z = np.random.default_rng(seed).standard_normal((30, 3)).astype(np.float32)
    chosen = of_all(z, count)
    assert len(set(chosen.tolist())) == count
    distances = np.linalg.norm(z[:, None] - z[None], axis=2)
    between = distances[np.ix_(chosen, chosen)] + np.where(np.eye(count), np.inf, 0.0)
    assert distances[:, chosen].min(axis=1).max() <= between.min() * (1 + 1e-6)


def test_copies_are_chosen_last_and_none_twice() -> None:
    z = np.concatenate([np.zeros((5, 2)), np.ones((5, 2))]).astype(np.float32)
    chosen = of_all(z, 10)
    assert {tuple(z[row]) for row in chosen[:2]} == {(0.0, 0.0), (1.0, 1.0)}
    assert sorted(chosen) == list(range(10))


@pytest.mark.parametrize("scorer", ["nearest", "nearest-cosine", "nearest-ldn"])
def test_what_was_left_out_still_counts_for_the_threshold(scorer: str) -> None:
    whole = bank_of(80, 30, scorer, hop_s=5.0)
    small, reduction = reduce_bank(whole)
    assert reduction is not None
    assert (reduction.references, reduction.kept) == (80, 30)
    assert len(small.references) == len(small.reference_scores) == 30
    assert len(small.normal_scores) == 80
    assert small.independent_windows == whole.independent_windows == 40
    shape, _, scale = stats.gamma.fit(small.normal_scores, floc=0)
    assert reduction.threshold_after == small.info.threshold
    assert small.info.threshold == pytest.approx(stats.gamma.ppf(0.9, shape, scale=scale), rel=1e-6)
    assert (reduction.threshold_before, reduction.mean_before) == (whole.info.threshold, whole.normal_scores.mean())
    assert reduction.mean_after == small.normal_scores.mean()
    if scorer != "nearest-ldn":  # with fewer references nothing can come nearer
        assert reduction.mean_after > reduction.mean_before


def test_scores_of_a_smaller_bank_by_loops() -> None:
    """Every tenth piece of sound in turn is heard by a bank that chose its windows among the others.

    Windows that share sound are not compared, and all are normalised by all that was heard, but for their own share.
    """
    whole = bank_of(40, 15, hop_s=5.0)
    small, _ = reduce_bank(whole)
    z = normalised(whole.references.embeddings, whole.references.embeddings)
    shares = whole.references.timeline.overlaps()
    left = 40 - shares.sum(axis=1)
    variance = [(left[i] * z[~shares[i]].var(axis=0) + 1.0) / (left[i] + 1.0) for i in range(40)]
    piece = np.floor(whole.references.timeline.starts_s / 10.0).astype(int)
    expected = np.zeros(40)
    for part in range(10):
        out, among = np.flatnonzero(piece % 10 == part), np.flatnonzero(piece % 10 != part)
        chosen = among[farthest_by_loops(z, among, 15)]
        for i in out:
            expected[i] = min(np.linalg.norm((z[i] - z[j]) / variance[i] ** 0.5) for j in chosen if not shares[i, j])
    kept = farthest_by_loops(z, np.arange(40), 15)
    order = [*sorted(kept), *np.setdiff1d(np.arange(40), kept)]
    np.testing.assert_allclose(small.normal_scores, expected[order], rtol=1e-5)
    assert small.left_out is not None
    times = small.references.timeline.with_more(small.left_out.timeline)
    assert times.starts_s.tolist() == whole.references.timeline.starts_s[order].tolist()
    np.testing.assert_array_equal(small.references.embeddings, whole.references.embeddings[sorted(kept)])
    queries = random_embeddings(np.random.default_rng(1), 5, 4)
    distances = np.linalg.norm(normalised(queries, whole.references.embeddings)[:, None] - z[None, kept], axis=2)
    np.testing.assert_allclose(scores_of(small.scorer(), queries), distances.min(axis=1), rtol=1e-4)


def farthest_by_loops(z: NDArray[np.float64], among: NDArray[np.intp], count: int) -> list[int]:
    """Places in `among`: the nearest to the mean of all, then always the farthest from those chosen."""
    points = z[among] - z.mean(axis=0)
    chosen = [int(np.linalg.norm(points, axis=1).argmin())]
    while len(chosen) < count:
        distances = [min(np.linalg.norm(point - points[j]) for j in chosen) for point in points]
        chosen.append(int(np.argmax(distances)))
    return chosen


def test_a_bank_that_is_small_enough_stays_as_it_is() -> None:
    for bank in (bank_of(20, None), bank_of(20, 20), bank_of(9, 10), bank_of(5, 3)):
        same, reduction = reduce_bank(bank)
        assert same is bank
        assert reduction is None


def test_a_reduced_bank_that_grows_again_remembers_what_it_left_out() -> None:
    small, _ = reduce_bank(bank_of(60, 20))
    more = references_of(
        np.concatenate([small.references.embeddings, random_embeddings(np.random.default_rng(3), 30, 4)]),
        small.references.timeline.with_more(Timeline(np.ones(30, np.int32), 10.0 * np.arange(30), 10.0)),
    )
    grown = make_bank(small.info, more, small.left_out)
    assert len(grown.normal_scores) == 20 + 30 + 40
    assert grown.independent_windows == 90
    again, reduction = reduce_bank(grown)
    assert reduction is not None
    assert again.left_out is not None
    assert small.left_out is not None
    # What was left out first comes first, but for what is a reference again.
    first, then = (
        list(zip(each.timeline.recordings.tolist(), each.timeline.starts_s.tolist(), strict=True))
        for each in (small.left_out, again.left_out)
    )
    still = [place for place in first if place in then]
    assert len(still) > 20
    assert then[: len(still)] == still
    assert (len(again.references), len(again.normal_scores), again.independent_windows) == (20, 90, 90)


def test_rare_states_stay() -> None:
    """Ten scattered clips of a target domain among a thousand of the source."""
    rng = np.random.default_rng(4)
    source, target = 0.1 * rng.standard_normal((300, 3)), 5.0 + rng.standard_normal((10, 3))
    embeddings = np.concatenate([source, target]).astype(np.float32)
    bank = make_bank(replace(INFO, max_references=40), references_of(embeddings, apart(310)))
    small, _ = reduce_bank(bank)
    assert (small.references.embeddings[:, 0] > 1.0).sum() == 10


def test_a_scorer_says_among_which_points_references_are_far_apart() -> None:
    """For the cosine, directions: two windows that lie far out but in one direction do not both stay."""
    angles = np.linspace(0.0, 2.0, 30)
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    embeddings[1::2] *= 1000.0
    bank = make_bank(replace(INFO, scorer="nearest-cosine", max_references=10), references_of(embeddings, apart(30)))
    small, _ = reduce_bank(bank)
    kept = np.sort(np.arctan2(small.references.embeddings[:, 1], small.references.embeddings[:, 0]))
    assert np.diff(kept).max() < 0.3
    assert np.diff(kept).min() > 0.1
