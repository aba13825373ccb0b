import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from asd_edge.calibration.bank.threshold import GammaFit


@pytest.mark.parametrize(("shape", "scale"), [(0.7, 3.0), (4.0, 0.5), (60.0, 0.2)])
def test_the_fit_finds_the_distribution_that_the_scores_were_drawn_from(shape: float, scale: float) -> None:
    scores = stats.gamma.rvs(shape, scale=scale, size=200_000, random_state=np.random.default_rng(1))
    found = GammaFit.of(scores)
    # The maximum likelihood estimate of the shape scatters by about shape sqrt(2 / n): 0.3 %; five times that.
    assert found.shape == pytest.approx(shape, rel=0.016)
    assert found.scale == pytest.approx(scale, rel=0.016)


def test_the_fit_is_the_maximum_of_the_likelihood() -> None:
    scores = np.random.default_rng(2).uniform(3.0, 9.0, 30)
    found = GammaFit.of(scores)

    def likelihood(shape: float, scale: float) -> float:
        return float(stats.gamma.logpdf(scores, shape, scale=scale).sum())

    best = likelihood(found.shape, found.scale)
    for factor in (0.99, 1.01):
        assert likelihood(found.shape * factor, found.scale) < best
        assert likelihood(found.shape, found.scale * factor) < best
        assert likelihood(found.shape * factor, found.scale / factor) < best


@given(st.floats(0.05, 1e4), st.floats(1e-3, 1e3), st.floats(0.01, 99.9999))
@settings(deadline=None)
def test_threshold_is_the_percentile_of_the_distribution(shape: float, scale: float, percentile: float) -> None:
    expected = stats.gamma.ppf(percentile / 100.0, shape, scale=scale)
    assert GammaFit(shape, scale).threshold(percentile) == pytest.approx(expected, rel=1e-9)


def test_threshold_of_an_exponential_by_hand() -> None:
    # Shape 1 is the exponential distribution: 1 - exp(-x / 2) = 0.9 at x = 2 ln 10.
    assert GammaFit(1.0, 2.0).threshold(90.0) == pytest.approx(2.0 * np.log(10.0), rel=1e-12)


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(20),
        np.full(20, 3.7),
        np.array([0.0] * 19 + [1.0]),
        np.array([]),
        # rounding of float32 embeddings is no spread
        3.7 + 1e-8 * np.random.default_rng(3).standard_normal(20),
        3.7 + 1e-15 * np.arange(20),
    ],
)
def test_no_fit_is_possible_where_all_windows_are_the_same(scores: NDArray[np.float64]) -> None:
    assert not GammaFit.possible(scores)


@pytest.mark.parametrize(
    "scores",
    [
        np.array([1.0, 2.0]),
        np.array([0.0] * 18 + [1.0, 1.001]),
        3.7 + 1e-4 * np.random.default_rng(3).standard_normal(20),
        1e-9 * np.random.default_rng(3).random(20),
    ],
)
def test_where_a_fit_is_possible_it_gives_a_threshold_among_the_scores(scores: NDArray[np.float64]) -> None:
    assert GammaFit.possible(scores)
    assert 0.5 * scores[scores > 0].min() < GammaFit.of(scores).threshold(90.0) < 2.0 * scores.max()


def test_copies_of_a_window_are_tolerated() -> None:
    """A score of 0 counts as the smallest score above it; it does not take the fit to 0 or to infinity."""
    scores = stats.gamma.rvs(20.0, scale=0.5, size=100, random_state=np.random.default_rng(4))
    with_copies = np.concatenate([scores, np.zeros(4)])
    as_smallest = np.concatenate([scores, np.full(4, scores.min())])
    found, expected = GammaFit.of(with_copies), GammaFit.of(as_smallest)
    assert (found.shape, found.scale) == (expected.shape, expected.scale)
    assert found.threshold(90.0) == pytest.approx(GammaFit.of(scores).threshold(90.0), rel=0.1)


@given(st.floats(1e-3, 1e3))
@settings(max_examples=20, deadline=None)
def test_the_threshold_grows_with_the_scores(factor: float) -> None:
    scores = np.random.default_rng(5).uniform(1.0, 2.0, 40)
    expected = factor * GammaFit.of(scores).threshold(90.0)
    assert GammaFit.of(factor * scores).threshold(90.0) == pytest.approx(expected, rel=1e-6)
