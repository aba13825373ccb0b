from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import normalised, random_embeddings, references_of, scores_of
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf, ledoit_wolf_shrinkage

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers.domain_wise import DomainWise
from asd_edge.calibration.scorers.mahalanobis import fit_mahalanobis

SEEDS = st.integers(0, 2**32 - 1)


def fit(references: References) -> tuple[DomainWise, NDArray[np.float64]]:
    return DomainWise.fit(references, fit_mahalanobis)


def by_sklearn(references: FloatArray, queries: FloatArray, own: Any = slice(None)) -> NDArray[np.float64]:
    """With the mean and deviation of all references, and the covariance of `own`."""
    fitted = LedoitWolf().fit(normalised(references, references)[own])
    return np.sqrt(fitted.mahalanobis(normalised(queries, references)))


@pytest.mark.parametrize("shape", [(10, 3), (10, 381), (60, 40), (300, 16)])
def test_score_is_the_distance_by_scikit_learn(shape: tuple[int, int]) -> None:
    """However many more dimensions there are than references."""
    rng = np.random.default_rng(1)
    references, queries = random_embeddings(rng, *shape), random_embeddings(rng, 20, shape[1])
    scorer, _ = fit(references_of(references))
    np.testing.assert_allclose(scores_of(scorer, queries), by_sklearn(references, queries), rtol=1e-4)


def test_source_and_target_apart_with_the_smaller_taken() -> None:
    rng = np.random.default_rng(2)
    references, queries = random_embeddings(rng, 48, 6), random_embeddings(rng, 20, 6)
    references[40:] += 3.0 * references.std(axis=0)
    queries[:10] += 3.0 * references.std(axis=0)
    domains = ["source"] * 40 + ["target"] * 8
    source, target = (by_sklearn(references, queries, rows) for rows in (slice(0, 40), slice(40, 48)))
    scorer, _ = fit(references_of(references, domains=domains))
    np.testing.assert_allclose(scores_of(scorer, queries), np.minimum(source, target), rtol=1e-4)
    assert 0 < np.sum(target < source) < 20


def leave_one_out_by_loops(z: NDArray[np.float64], timeline: Timeline) -> list[float]:
    """Fitted anew for every window, with the shrinkage of all."""
    shrinkage, shares, scores = ledoit_wolf_shrinkage(z), timeline.overlaps(), []
    for i in range(len(z)):
        rest = z[~shares[i]]
        covariance = np.cov(rest.T, bias=True)
        target = np.trace(covariance) / z.shape[1] * np.eye(z.shape[1])
        inverse = np.linalg.inv((1.0 - shrinkage) * covariance + shrinkage * target)
        scores.append(mahalanobis(z[i], rest.mean(axis=0), inverse))
    return scores


@pytest.mark.parametrize("shape", [(40, 5), (12, 30)])
@pytest.mark.parametrize("hop_s", [10.0, 4.0])
def test_leave_one_out_is_fitting_anew_without_the_window(shape: tuple[int, int], hop_s: float) -> None:
    embeddings = random_embeddings(np.random.default_rng(3), *shape)
    timeline = Timeline(np.zeros(shape[0], np.int32), hop_s * np.arange(shape[0]), 10.0)
    _, scores = fit(references_of(embeddings, timeline))
    z = normalised(embeddings, embeddings)
    np.testing.assert_allclose(scores, leave_one_out_by_loops(z, timeline), rtol=1e-3)


def test_leave_one_out_leaves_the_other_domain_whole() -> None:
    rng = np.random.default_rng(4)
    embeddings, domains = random_embeddings(rng, 30, 4), ["source"] * 20 + ["target"] * 10
    _, scores = fit(references_of(embeddings, domains=domains))
    z = normalised(embeddings, embeddings)
    parts = [slice(0, 20), slice(20, 30)]
    for own, other in (parts, parts[::-1]):
        without = leave_one_out_by_loops(z[own], Timeline(np.arange(len(z[own])), np.zeros(len(z[own])), 10.0))
        elsewhere = by_sklearn(embeddings, embeddings[own], other)
        np.testing.assert_allclose(scores[own], np.minimum(without, elsewhere), rtol=1e-3)


def test_new_normal_windows_score_as_the_leave_one_out_scores_promise() -> None:
    """Few references, many dimensions: a reference against all others, itself among them, would score far too low."""
    rng = np.random.default_rng(5)
    mixing = np.eye(100) + 0.3 * rng.standard_normal((100, 100))
    heard, new = ((rng.standard_normal((n, 100)) @ mixing).astype(np.float32) for n in (40, 500))
    scorer, scores = fit(references_of(heard))
    assert scores.mean() == pytest.approx(np.mean(scores_of(scorer, new)), rel=0.05)
    assert np.mean(scores_of(scorer, heard)) < 0.8 * scores.mean()


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_neither_order_nor_scale_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    references, queries = random_embeddings(rng, 30, 6), random_embeddings(rng, 5, 6)
    scorer, scores = fit(references_of(references))
    found, order = scores_of(scorer, queries), rng.permutation(30)
    shuffled, shuffled_scores = fit(references_of(references[order]))
    assert scores_of(shuffled, queries) == pytest.approx(found, rel=1e-3)
    np.testing.assert_allclose(shuffled_scores, scores[order], rtol=1e-3)
    factor = np.where(np.arange(6) == 2, np.float32(-8.0), np.float32(1.0))
    scaled, _ = fit(references_of(references * factor))
    assert scores_of(scaled, queries * factor) == pytest.approx(found, rel=1e-2)


def test_windows_that_all_share_sound_leave_nothing_to_compare_with() -> None:
    embeddings = random_embeddings(np.random.default_rng(6), 5, 3)
    _, scores = fit(references_of(embeddings, Timeline(np.zeros(5, np.int32), np.arange(5.0), 10.0)))
    assert scores.tolist() == [np.inf] * 5


def test_copies_of_one_sound_have_a_finite_score() -> None:
    scorer, scores = fit(references_of(np.ones((12, 3), np.float32)))
    assert scores.tolist() == [0.0] * 12
    assert np.isfinite(scores_of(scorer, np.full((1, 3), 1.5, np.float32)))


@pytest.mark.parametrize(("others", "finite"), [(2, True), (1, False)])
def test_two_windows_must_be_left(others: int, finite: bool) -> None:
    """Ten windows of one recording share sound with each other; what is left are the others."""
    embeddings = random_embeddings(np.random.default_rng(14), 10 + others, 3)
    numbers = np.r_[np.zeros(10, np.int32), np.arange(1, 1 + others, dtype=np.int32)]
    _, scores = fit(references_of(embeddings, Timeline(numbers, np.zeros(10 + others), 10.0)))
    assert np.isfinite(scores[:10]).all() == finite
    assert np.isfinite(scores[10:]).all()


def test_where_nothing_varies_a_millionth_of_a_dimensions_variance_is_the_scale() -> None:
    """Copies of one sound: half of a unit off in each of three dimensions, in units of a thousandth."""
    scorer, _ = fit(references_of(np.ones((24, 3), np.float32)))
    (score,) = scores_of(scorer, np.full((1, 3), 1.5, np.float32))
    assert score == pytest.approx(1000.0 * np.sqrt(3 * 0.25), rel=1e-4)
