import numpy as np
import pytest
from normal_sound import references_of

from asd_edge.calibration.bank.learning_curve import LONG_ENOUGH_DROP, LearningCurve, learning_curve
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers.nearest import fit


def end_to_end(embeddings: FloatArray) -> References:
    """Windows of one recording, end to end."""
    count = len(embeddings)
    return references_of(embeddings, Timeline(np.zeros(count, np.int32), 10.0 * np.arange(count), 10.0))


def uniform(references: int, dim: int) -> FloatArray:
    return np.random.default_rng(1).random((references, dim), np.float32)


@pytest.mark.parametrize(("spread", "dim"), [(0.05, 3), (0.3, 16)])
def test_the_nearest_window_comes_nearer_as_references_are_added(spread: float, dim: int) -> None:
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((5, dim))
    embeddings = centres[rng.integers(5, size=120)] + spread * rng.standard_normal((120, dim))
    references = end_to_end(embeddings.astype(np.float32))
    curve = learning_curve(references)
    assert curve.references == (30, 60, 90, 120)
    assert all(np.diff(curve.mean_distances) < 0.0)
    # All references: nothing is left to chance.
    assert curve.mean_distances[-1] == pytest.approx(fit(references)[1].mean(), rel=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_the_curve_follows_the_dimension_of_the_sound(dim: int) -> None:
    """In a cloud of d dimensions the distance to the nearest of n points falls as n^(-1/d)."""
    curve = learning_curve(end_to_end(uniform(1500, dim)))
    whole = curve.mean_distances[-1]
    for references, distance in zip(curve.references, curve.mean_distances, strict=True):
        assert distance / whole == pytest.approx((references / 1500) ** (-1.0 / dim), rel=0.05)
    assert curve.drop == pytest.approx(1.0 - 0.5 ** (1.0 / dim), abs=0.04)


def test_sound_of_many_dimensions_is_soon_long_enough() -> None:
    assert learning_curve(end_to_end(uniform(200, 100))).long_enough
    assert not learning_curve(end_to_end(uniform(200, 2))).long_enough


def test_the_curve_is_always_drawn_the_same_way() -> None:
    references = end_to_end(uniform(50, 4))
    assert learning_curve(references) == learning_curve(references)


def test_the_smallest_bank_with_a_threshold_has_a_curve() -> None:
    curve = learning_curve(end_to_end(uniform(10, 4)))
    assert curve.references == (2, 5, 8, 10)
    assert all(np.isfinite(curve.mean_distances))


def test_subsets_that_share_sound_with_a_window_say_nothing_of_it() -> None:
    """Where nearly all windows overlap, a small subset may hold no other sound at all to compare a window with."""
    together, alone = 400, 9
    timeline = Timeline(
        np.concatenate([np.zeros(together), 1 + np.arange(alone)]).astype(np.int32),
        np.concatenate([0.01 * np.arange(together), np.zeros(alone)]),
        10.0,
    )
    assert timeline.independent() == 1 + alone
    references = references_of(uniform(together + alone, 3), timeline)
    curve = learning_curve(references)
    assert all(np.isfinite(curve.mean_distances))
    assert curve.mean_distances[-1] == pytest.approx(fit(references)[1].mean(), rel=1e-9)


def test_a_large_bank_is_measured_on_2000_references() -> None:
    curve = learning_curve(end_to_end(uniform(2200, 2)))
    assert curve.references == (500, 1000, 1500, 2000)
    assert curve.drop == pytest.approx(1.0 - 0.5**0.5, abs=0.04)


def test_drop_by_hand() -> None:
    # The half scores 4, the whole 3.
    assert LearningCurve((10, 20, 30, 40), (9.0, 4.0, 3.5, 3.0)).drop == pytest.approx(0.25)
    assert LearningCurve((10, 20, 30, 40), (4.0, 4.0, 4.0, 4.0)).drop == 0.0


@pytest.mark.parametrize(
    ("whole", "long_enough"), [(0.94, False), (0.949, False), (0.951, True), (1.0, True), (1.2, True)]
)
def test_long_enough_is_a_drop_of_at_most_5_percent(whole: float, long_enough: bool) -> None:
    assert LONG_ENOUGH_DROP == 0.05
    assert LearningCurve((5, 10, 15, 20), (3.0, 1.0, 0.99, whole)).long_enough is long_enough


@pytest.mark.parametrize(
    ("distances", "more"),
    [
        ((10.0, 9.0, 8.9, 8.73), 0.0),  # the second half brought 3 %: long enough
        ((10.0, 8.0, 7.6, 7.2), 1.0),  # 20 % and 10 %: half as much each time, so 5 % after one doubling
        ((10.0, 9.0, 8.5, 8.1), 3.0),  # 10 % and 10 %: no end is seen
        ((10.0, 9.5, 9.0, 8.5), 3.0),  # falls faster than before
        ((10.0, 6.0, 5.7, 5.46), 2.0 ** (np.log(0.05 / 0.09) / np.log(0.09 / 0.4)) - 1.0),
    ],
)
def test_how_much_more_will_do(distances: tuple[float, ...], more: float) -> None:
    assert LearningCurve((15, 30, 45, 60), distances).more == pytest.approx(more)
