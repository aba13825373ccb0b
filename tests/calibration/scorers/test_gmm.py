import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import apart, normalised, random_embeddings, references_of, scores_of
from sklearn.mixture import GaussianMixture

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.scorers.gmm import Mixture, fit, fit_mixture

FLOOR = 0.1
"""What the scorer adds to every variance, told here once more: another floor is another scorer."""


def states(rng: np.random.Generator, references: int, dim: int, count: int) -> FloatArray:
    """A machine that runs in a few states."""
    centres = 4.0 * rng.standard_normal((count, dim))
    return (centres[np.arange(references) % count] + rng.standard_normal((references, dim))).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_score_is_the_likelihood_by_scikit_learn_less_a_constant(count: int) -> None:
    rng = np.random.default_rng(count)
    references = states(rng, 120, 8, count)
    queries = np.concatenate([references[:10] + 0.5, random_embeddings(rng, 10, 8)]).astype(np.float32)
    z, z_queries = normalised(references, references), normalised(queries, references)
    mixture = GaussianMixture(count, covariance_type="diag", reg_covar=FLOOR, random_state=0).fit(z)
    scorer, _ = fit(references_of(references))
    assert len(scorer.summaries[0].centres) == count
    # The bound of the likelihood: all components at their peaks.
    peaks = mixture.weights_ * np.prod(2.0 * np.pi * mixture.covariances_, axis=1) ** -0.5
    expected = -mixture.score_samples(z_queries) + np.log(peaks.sum())
    np.testing.assert_allclose(scores_of(scorer, queries), expected, rtol=1e-4)


def test_one_component_by_hand() -> None:
    """Half the squared distance, each dimension's in units of 1 + the floor."""
    mixture = Mixture(np.zeros(1), np.zeros((1, 2), np.float32), np.full((1, 2), 1.1, np.float32))
    np.testing.assert_allclose(
        mixture.distances(np.array([[0.0, 0.0], [1.1, 2.2]])), [0.0, 0.5 * (1.1 + 4.4)], rtol=1e-6
    )


def test_two_components_by_hand() -> None:
    mixture = Mixture(np.log([0.25, 0.75]), np.array([[0.0], [2.0]], np.float32), np.array([[1.0], [4.0]], np.float32))
    density = 0.25 * np.exp(-0.5 * 9.0) + 0.75 / 2.0 * np.exp(-0.5 * 1.0 / 4.0)
    assert mixture.distances(np.array([[3.0]]))[0] == pytest.approx(np.log((0.25 + 0.375) / density))


@pytest.mark.parametrize("dim", [2, 381, 1536])
@pytest.mark.parametrize("references", [10, 25])
def test_few_references_of_many_dimensions_make_one_component(references: int, dim: int) -> None:
    """Nothing but chance would part them: no window gets a component of its own."""
    rng = np.random.default_rng(5)
    scorer, scores = fit(references_of(random_embeddings(rng, references, dim)))
    assert len(scorer.summaries[0].centres) == 1
    assert np.isfinite(scores).all()
    assert (scores > 0.0).all()


def test_leave_one_out_is_fitting_anew_without_the_fold() -> None:
    """Ten references from ten recordings: every fold is one window, fitted without it."""
    embeddings = random_embeddings(np.random.default_rng(7), 10, 4)
    _, scores = fit(references_of(embeddings))
    z = normalised(embeddings, embeddings)
    expected = []
    for i in range(10):
        rest = np.delete(z, i, axis=0)
        variance = rest.var(axis=0) + FLOOR
        expected.append(0.5 * ((z[i] - rest.mean(axis=0)) ** 2 / variance).sum())
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_windows_that_share_sound_are_left_out_together() -> None:
    """Every window of 10 s, cut every 2.5 s, is all but the same as its neighbours: they must not vouch for it."""
    rng = np.random.default_rng(8)
    pieces = np.repeat(rng.standard_normal((30, 50)), 4, axis=0)
    together = (pieces + 0.01 * rng.standard_normal(pieces.shape)).astype(np.float32)
    timeline = Timeline(np.zeros(120, np.int32), 2.5 * np.arange(120), 10.0)
    _, scores = fit(references_of(together, timeline))
    _, strangers = fit(references_of(together, apart(120)))
    assert scores.mean() > 1.02 * strangers.mean()


def test_new_normal_windows_score_as_the_leave_one_out_scores_promise() -> None:
    rng = np.random.default_rng(9)
    everything = states(rng, 1000, 20, 3)
    scorer, scores = fit(references_of(everything[:100]))
    assert scores.mean() == pytest.approx(np.mean(scores_of(scorer, everything[100:])), rel=0.1)


def test_the_likelier_domain_counts() -> None:
    rng = np.random.default_rng(10)
    references = random_embeddings(rng, 30, 5)
    references[20:] += 5.0 * references.std(axis=0)
    domains = ["source"] * 20 + ["target"] * 10
    scorer, _ = fit(references_of(references, domains=domains))
    queries = np.concatenate([references[:5], references[25:]])
    z, z_queries = normalised(references, references), normalised(queries, references)
    expected = np.min(
        [fit_mixture(z[rows], apart(len(z[rows])))[0].distances(z_queries) for rows in (slice(0, 20), slice(20, 30))],
        axis=0,
    )
    np.testing.assert_allclose(scores_of(scorer, queries), expected, rtol=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_neither_order_nor_scale_matters(seed: int) -> None:
    """Always the same seeds: once in some thousands, another order of the rows ends in another local optimum."""
    rng = np.random.default_rng(seed)
    references, queries = states(rng, 40, 6, 2), random_embeddings(rng, 5, 6)
    found, order = scores_of(fit(references_of(references))[0], queries), rng.permutation(40)
    shuffled, _ = fit(references_of(references[order]))
    assert scores_of(shuffled, queries) == pytest.approx(found, rel=1e-2)
    factor = np.where(np.arange(6) == 2, np.float32(-8.0), np.float32(1.0))
    scaled, _ = fit(references_of(references * factor))
    assert scores_of(scaled, queries * factor) == pytest.approx(found, rel=1e-2)


def test_copies_of_one_sound_have_a_finite_score() -> None:
    scorer, scores = fit(references_of(np.ones((24, 3), np.float32)))
    assert scores.tolist() == [0.0] * 24
    assert np.isfinite(scores_of(scorer, np.full((1, 3), 1.5, np.float32)))


@pytest.mark.parametrize(
    ("count", "references", "components"), [(2, 19, 1), (2, 20, 2), (5, 100, 5), (8, 90, 8), (10, 130, 8)]
)
def test_as_many_components_as_states_up_to_eight_and_one_for_ten_references(
    count: int, references: int, components: int
) -> None:
    """States so far apart that nobody could take them for one."""
    rng = np.random.default_rng(12)
    centres = 100.0 * rng.standard_normal((count, 12))[np.arange(references) % count]
    embeddings = (centres + rng.standard_normal((references, 12))).astype(np.float32)
    scorer, _ = fit(references_of(embeddings))
    assert len(scorer.summaries[0].centres) == components


def test_leave_one_out_leaves_out_a_tenth_of_the_pieces_and_all_that_shares_sound_with_them() -> None:
    """Written out for windows every 2.5 s, four of which begin in each piece as long as a window."""
    rng = np.random.default_rng(13)
    embeddings = random_embeddings(rng, 160, 3)
    numbers, starts = np.repeat(np.array([0, 1], np.int32), [100, 60]), np.r_[np.arange(100), np.arange(60)] * 2.5
    scorer, scores = fit(references_of(embeddings, Timeline(numbers, starts, 10.0)))
    assert len(scorer.summaries[0].centres) == 1
    z, expected = normalised(embeddings, embeddings), np.zeros(160)
    pieces = sorted({(int(number), start // 10.0) for number, start in zip(numbers, starts, strict=True)})
    fold = np.array([pieces.index((int(n), s // 10.0)) % 10 for n, s in zip(numbers, starts, strict=True)])
    for i in range(160):
        out = np.flatnonzero(fold == fold[i])
        shares = [any(numbers[j] == numbers[k] and abs(starts[j] - starts[k]) < 10.0 for k in out) for j in range(160)]
        rest = z[~np.array(shares)]
        expected[i] = 0.5 * ((z[i] - rest.mean(axis=0)) ** 2 / (rest.var(axis=0) + FLOOR)).sum()
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@pytest.mark.parametrize(("others", "finite"), [(2, True), (1, False)])
def test_two_windows_must_be_left(others: int, finite: bool) -> None:
    """Ten windows of one recording share sound with each other; what is left are the others."""
    embeddings = random_embeddings(np.random.default_rng(14), 10 + others, 3)
    numbers = np.r_[np.zeros(10, np.int32), np.arange(1, 1 + others, dtype=np.int32)]
    _, scores = fit(references_of(embeddings, Timeline(numbers, np.zeros(10 + others), 10.0)))
    assert np.isfinite(scores[:10]).all() == finite
    assert np.isfinite(scores[10:]).all()
