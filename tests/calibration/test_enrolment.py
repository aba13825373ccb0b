import numpy as np
import pytest

from asd_edge.calibration.bank import Bank, BankInfo, make_bank
from asd_edge.calibration.enrolment import LONG_ENOUGH_DROP, LearningCurve, learning_curve
from asd_edge.calibration.nearest import FloatArray


def bank_of(embeddings: FloatArray) -> Bank:
    """Windows of one recording, end to end."""
    count = len(embeddings)
    return make_bank(
        BankInfo("0" * 64, "test", 10.0, 10.0),
        embeddings,
        np.zeros(count, np.int32),
        10.0 * np.arange(count, dtype=np.float64),
    )


def uniform(references: int, dim: int) -> FloatArray:
    return np.random.default_rng(1).random((references, dim), np.float32)


@pytest.mark.parametrize(("spread", "dim"), [(0.05, 3), (0.3, 16)])
def test_the_mean_score_falls_as_references_are_added(spread: float, dim: int) -> None:
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((5, dim))
    embeddings = centres[rng.integers(5, size=120)] + spread * rng.standard_normal((120, dim))
    bank = bank_of(embeddings.astype(np.float32))
    curve = learning_curve(bank)
    assert curve.references == (30, 60, 90, 120)
    assert all(np.diff(curve.mean_scores) < 0.0)
    # All references: nothing is left to chance.
    assert curve.mean_scores[-1] == pytest.approx(bank.normal_scores.mean(), rel=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_the_curve_follows_the_dimension_of_the_sound(dim: int) -> None:
    """In a cloud of d dimensions the distance to the nearest of n points falls as n^(-1/d)."""
    curve = learning_curve(bank_of(uniform(1500, dim)))
    whole = curve.mean_scores[-1]
    for references, score in zip(curve.references, curve.mean_scores, strict=True):
        assert score / whole == pytest.approx((references / 1500) ** (-1.0 / dim), rel=0.05)
    assert curve.drop == pytest.approx(1.0 - 0.5 ** (1.0 / dim), abs=0.04)


def test_sound_of_many_dimensions_is_soon_long_enough() -> None:
    assert learning_curve(bank_of(uniform(200, 100))).long_enough
    assert not learning_curve(bank_of(uniform(200, 2))).long_enough


def test_the_curve_is_always_drawn_the_same_way() -> None:
    bank = bank_of(uniform(50, 4))
    assert learning_curve(bank) == learning_curve(bank)


def test_the_smallest_bank_with_a_threshold_has_a_curve() -> None:
    bank = bank_of(uniform(10, 4))
    assert bank.ready
    curve = learning_curve(bank)
    assert curve.references == (2, 5, 8, 10)
    assert all(np.isfinite(curve.mean_scores))


def test_subsets_that_share_sound_with_a_window_say_nothing_of_it() -> None:
    """Where nearly all windows overlap, a small subset may hold no other sound at all to compare a window with."""
    together, alone = 400, 9
    bank = make_bank(
        BankInfo("0" * 64, "test", 10.0, 0.01),
        uniform(together + alone, 3),
        np.concatenate([np.zeros(together), 1 + np.arange(alone)]).astype(np.int32),
        np.concatenate([0.01 * np.arange(together), np.zeros(alone)]),
    )
    assert bank.independent_windows == 1 + alone
    curve = learning_curve(bank)
    assert all(np.isfinite(curve.mean_scores))
    assert curve.mean_scores[-1] == pytest.approx(bank.normal_scores.mean(), rel=1e-9)


def test_a_large_bank_is_measured_on_2000_references() -> None:
    curve = learning_curve(bank_of(uniform(2200, 2)))
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
