import numpy as np
import pytest
from normal_sound import apart, random_embeddings, references_of

from asd_edge.calibration.contract.references import LeftOut, Timeline
from asd_edge.calibration.errors import InputError


@pytest.mark.parametrize(
    ("second_start_s", "shares"),
    [(10.0, False), (9.8, False), (9.51, False), (9.49, True), (0.5, True), (10.1, False), (-9.8, False), (-9.4, True)],
)
def test_windows_that_just_touch_do_not_share_sound(second_start_s: float, shares: bool) -> None:
    timeline = Timeline(np.zeros(2, np.int32), np.array([0.0, second_start_s]), 10.0)
    assert timeline.overlaps(slice(0, 2)).tolist() == [[True, shares], [shares, True]]
    assert timeline.overlaps(slice(1, 2)).tolist() == [[shares, True]]
    assert timeline.independent() == (1 if shares else 2)


@pytest.mark.parametrize(
    ("recordings", "starts_s", "independent"),
    [
        ([0], [0.0], 1),
        # windows of 10 s every 5 s: 0, 10, 20
        ([0, 0, 0, 0, 0], [0.0, 5.0, 10.0, 15.0, 20.0], 3),
        # every 4 s: 0, 12, 24
        ([0] * 7, [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0], 3),
        # out of order, and a gap: 3, 14, 100
        ([0, 0, 0, 0], [100.0, 3.0, 12.0, 14.0], 3),
        # each recording for itself
        ([0, 1, 1, 2], [0.0, 0.0, 5.0, 2.0], 3),
        ([1, 0, 1, 0], [10.0, 10.0, 0.0, 0.0], 4),
    ],
)
def test_independent_windows_by_hand(recordings: list[int], starts_s: list[float], independent: int) -> None:
    assert Timeline(np.array(recordings, np.int32), np.array(starts_s), 10.0).independent() == independent


def test_ten_windows_end_to_end_stay_ten_after_rounding() -> None:
    """Starts counted in samples or added up one hop at a time differ in the last digit, not in sound."""
    starts = np.cumsum(np.full(1000, 0.1)) - 0.1
    assert Timeline(np.zeros(1000, np.int32), starts, 0.1).independent() == 1000


def test_overlaps_of_some_with_some() -> None:
    timeline = Timeline(np.array([0, 0, 0, 1], np.int32), np.array([0.0, 5.0, 10.0, 0.0]), 10.0)
    whole = timeline.overlaps()
    assert whole.tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [False, True, True, False],
        [False, False, False, True],
    ]
    rows, columns = np.array([2, 0]), np.array([1, 3, 0])
    assert timeline.overlaps(rows, columns).tolist() == whole[np.ix_(rows, columns)].tolist()


def test_a_part_of_a_timeline_and_more_of_it() -> None:
    timeline = Timeline(np.array([0, 0, 1, 1], np.int32), np.array([0.0, 5.0, 0.0, 10.0]), 10.0)
    part, rest = timeline.at(np.array([0, 2])), timeline.at(np.array([1, 3]))
    assert part.independent() == 2
    assert timeline.independent() == 3
    both = part.with_more(rest)
    assert both.recordings.tolist() == [0, 1, 0, 1]
    assert both.starts_s.tolist() == [0.0, 0.0, 5.0, 10.0]
    assert both.independent() == 3


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ([""] * 6, [[0, 1, 2, 3, 4, 5]]),
        (["source"] * 6, [[0, 1, 2, 3, 4, 5]]),
        (["source", "target"] * 3, [[0, 2, 4], [1, 3, 5]]),
        # A domain of two has no spread when one is left out.
        (["source"] * 4 + ["target"] * 2, [[0, 1, 2, 3, 4, 5]]),
        # A window of nobody knows which domain belongs to both.
        (["source", "target"] * 3 + [""], [[0, 1, 2, 3, 4, 5, 6]]),
    ],
)
def test_domains_are_apart_where_all_are_named_and_large_enough(domains: list[str], expected: list[list[int]]) -> None:
    references = references_of(random_embeddings(np.random.default_rng(0), len(domains), 2), domains=domains)
    assert [rows.tolist() for rows in references.by_domain()] == expected


def test_some_references_keep_all_that_is_known_of_them() -> None:
    embeddings = random_embeddings(np.random.default_rng(1), 4, 3)
    references = references_of(embeddings, apart(4), ["source", "source", "target", "target"], np.arange(4.0))
    some = references.at(np.array([3, 1]))
    np.testing.assert_array_equal(some.embeddings, embeddings[[3, 1]])
    assert some.domains.tolist() == ["target", "source"]
    assert some.timeline.recordings.tolist() == [3, 1]
    assert some.reconstruction_errors is not None
    assert some.reconstruction_errors.tolist() == [3.0, 1.0]


def test_arrays_that_do_not_fit_together_are_told() -> None:
    embeddings = random_embeddings(np.random.default_rng(0), 4, 3)
    for make, got in (
        (lambda: references_of(embeddings, apart(3)), "timeline: float64 of shape (3,)"),
        (lambda: references_of(embeddings, domains=["source"] * 5), "domains: <U6 of shape (5,)"),
        (lambda: references_of(embeddings, errors=np.ones((4, 1))), "reconstruction_errors: float64 of shape (4, 1)"),
        (lambda: references_of(embeddings[0], apart(3)), "embeddings: float32 of shape (3,)"),
        (lambda: references_of(embeddings.astype(np.float64)), "embeddings: float64 of shape (4, 3)"),
        (lambda: Timeline(np.zeros(3, np.int32), np.zeros(2), 10.0), "starts_s: float64 of shape (2,)"),
        (lambda: LeftOut(apart(3), np.ones(2)), "scores: float64 of shape (2,)"),
    ):
        with pytest.raises(InputError, match="do not fit together") as raised:
            make()
        assert raised.value.got == got
