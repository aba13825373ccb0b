from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from normal_sound import apart, normalised, random_embeddings, references_of, scores_of
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import IndexArray, Timeline
from asd_edge.calibration.scorers.nearest import NearestNeighbour, fit, subset_scores
from asd_edge.calibration.scorers.normalisation import Normalisation

SEEDS = st.integers(0, 2**32 - 1)


def leave_one_out_scores(embeddings: FloatArray, timeline: Timeline) -> NDArray[np.float64]:
    return fit(references_of(embeddings, timeline))[1]


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (7, 5), (300, 64), (1000, 381)])
def test_score_is_the_smallest_distance_to_a_normalised_reference(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    references = random_embeddings(rng, *shape)
    if shape[0] == 1:
        references = np.concatenate([references, references + 1.0])
    queries = np.concatenate([random_embeddings(rng, 20, shape[1]), references[:2] + 0.1])
    z, z_queries = normalised(references, references), normalised(queries, references)
    direct = [min(float(np.sqrt(np.sum((q - x) ** 2))) for x in z) for q in z_queries]
    by_sklearn = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(z).kneighbors(z_queries)[0][:, 0]

    scorer = NearestNeighbour(references)
    scores = scores_of(scorer, queries)

    np.testing.assert_allclose(scores, direct, rtol=1e-5)
    np.testing.assert_allclose(scores, by_sklearn, rtol=1e-5)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
def test_a_reference_scores_exactly_0_against_itself(references: FloatArray) -> None:
    scorer = NearestNeighbour(references)
    assert scores_of(scorer, references) == [0.0] * len(references)


@given(SEEDS, st.floats(1e-6, 1e-2), st.floats(1.0, 50.0))
@settings(max_examples=50, deadline=None)
def test_references_almost_alike_and_far_from_the_rest_are_told_apart(seed: int, apart_by: float, far: float) -> None:
    # Here the squared norms round to more than the squared distance, so that a score from the product alone would be
    # the distance to the wrong one.
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((100, 64)).astype(np.float32)
    references[:4] = references[0] + far + apart_by * rng.standard_normal((4, 64))
    scorer = NearestNeighbour(references)
    assert scores_of(scorer, references) == [0.0] * len(references)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_references_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    references, query = random_embeddings(rng, 40, 16), random_embeddings(rng, 1, 16)[0]
    shuffled = references[rng.permutation(40)]
    found, expected = (NearestNeighbour(each).score(ModelOutput(query)) for each in (shuffled, references))
    assert found == pytest.approx(expected, rel=1e-5)


@given(SEEDS, st.integers(-8, 8), st.floats(-10.0, 10.0))
@settings(max_examples=25, deadline=None)
def test_scale_and_offset_of_a_dimension_do_not_matter(seed: int, exponent: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    references, query = random_embeddings(rng, 40, 8), random_embeddings(rng, 1, 8)[0]
    factor, shift = np.ones(8, np.float32), np.zeros(8, np.float32)
    factor[3], shift[3] = -(2.0**exponent), offset * 2.0**exponent
    expected = NearestNeighbour(references).score(ModelOutput(query))
    found = NearestNeighbour(references * factor + shift).score(ModelOutput(query * factor + shift))
    # The offset costs digits of the embeddings themselves where the dimension varies little.
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_dimension_constant_up_to_rounding_carries_nothing() -> None:
    """A model that gives the same value but for the last bit of a float32 must not have that bit amplified."""
    rng = np.random.default_rng(3)
    references = random_embeddings(rng, 50, 3)
    value = np.float32(-15.9424)
    last_bits = rng.integers(-2, 3, 50)
    references[:, 1] = value + last_bits * np.spacing(value)
    assert len(np.unique(references[:, 1])) > 1
    query = references[7] + np.float32(0.1)
    query[1] = value
    without = NearestNeighbour(references[:, [0, 2]]).score(ModelOutput(query[[0, 2]]))
    assert NearestNeighbour(references).score(ModelOutput(query)) == pytest.approx(without, rel=1e-4)


def test_a_given_normalisation_is_the_one_applied() -> None:
    references = np.array([[0.0, 0.0], [8.0, 6.0]], np.float32)
    normalisation = Normalisation(np.zeros(2, np.float32), np.array([2.0, 1.0], np.float32))
    scorer = NearestNeighbour(references, normalisation)
    # (11 - 8) / 2 = 1.5 and 6 - 4 = 2 from the second reference
    assert scorer.score(ModelOutput(np.array([11.0, 4.0], np.float32))) == pytest.approx(2.5)


def test_an_embedding_that_is_not_a_number_scores_so() -> None:
    scorer = NearestNeighbour(random_embeddings(np.random.default_rng(4), 5, 2))
    assert np.isnan(scorer.score(ModelOutput(np.array([np.nan, 1.0], np.float32))))


def deviation_without(x: NDArray[np.float64], others: IndexArray) -> NDArray[np.float64]:
    """The deviation of the others, and of one window that varies as all do."""
    left = len(others)
    return np.asarray(np.sqrt((left * x[others].var(axis=0) + x.var(axis=0)) / (left + 1)))


def leave_one_out_by_loops(embeddings: FloatArray, timeline: Timeline, allowed: NDArray[np.bool_]) -> list[float]:
    """The nearest window that does not depend on it, by the deviations of all such where it is known which they are."""
    x = embeddings.astype(np.float64)
    scores = []
    for i in range(len(x)):
        same = timeline.recordings == timeline.recordings[i]
        apart = (
            np.abs(timeline.starts_s - timeline.starts_s[i]) > max(0.95 * timeline.window_s, timeline.reach_s) - 1e-4
        )
        others = np.flatnonzero(~same | apart)
        deviation = deviation_without(x, others) if timeline.reach_s else x.std(axis=0)
        distances = [np.inf]
        for j in others[allowed[others]]:
            distances.append(float(np.sqrt(np.sum(((x[i] - x[j]) / deviation) ** 2))))
        scores.append(min(distances))
    return scores


@pytest.mark.parametrize(("hop_s", "reach_s"), [(10.0, 0.0), (5.0, 0.0), (2.5, 10.0), (0.7, 0.0), (10.0, 25.0)])
def test_leave_one_out_is_a_plain_double_loop_without_windows_that_depend(hop_s: float, reach_s: float) -> None:
    rng = np.random.default_rng(5)
    embeddings = random_embeddings(rng, 90, 12)
    # Neighbours in time are alike, as real sound is: a window that shares sound would win if it were let in.
    embeddings[1::2] = embeddings[::2] + 0.1 * embeddings.std(axis=0)
    starts = np.concatenate([np.arange(40), np.arange(50)]) * hop_s
    timeline = Timeline(np.repeat(np.array([0, 1], np.int32), [40, 50]), starts, 10.0, reach_s)
    everything = np.ones(90, np.bool_)
    np.testing.assert_allclose(
        leave_one_out_scores(embeddings, timeline),
        leave_one_out_by_loops(embeddings, timeline, everything),
        rtol=1e-5,
    )
    subsets = [rng.random(90) < share for share in (0.1, 0.5, 1.0)]
    np.testing.assert_allclose(
        subset_scores(references_of(embeddings, timeline), subsets),
        [leave_one_out_by_loops(embeddings, timeline, subset) for subset in subsets],
        rtol=1e-5,
    )


def test_leave_one_out_of_more_references_than_are_compared_at_once() -> None:
    rng = np.random.default_rng(6)
    embeddings = random_embeddings(rng, 1100, 4)
    timeline = Timeline(np.zeros(1100, np.int32), 4.0 * np.arange(1100, dtype=np.float64), 10.0, 10.0)
    near = np.abs(np.subtract.outer(np.arange(1100), np.arange(1100))) <= 2
    distances = np.full((1100, 1100), np.inf)
    x = embeddings.astype(np.float64)
    for row, apart_from_it in enumerate(~near):
        others = np.flatnonzero(apart_from_it)
        distances[row, others] = np.linalg.norm((x[others] - x[row]) / deviation_without(x, others), axis=1)
    # Float32 normalisation shows where two references almost meet.
    np.testing.assert_allclose(leave_one_out_scores(embeddings, timeline), distances.min(axis=1), rtol=1e-4)


def test_windows_of_different_recordings_never_share_sound() -> None:
    embeddings = np.array([[0.0], [1.0]], np.float32)
    assert leave_one_out_scores(embeddings, apart(2)).tolist() == [2.0, 2.0]
    # Their variance is 1 / 4. The one that is left has none; with one of the usual variance, the mean is 1 / 8.
    known = replace(apart(2), reach_s=10.0)
    assert leave_one_out_scores(embeddings, known) == pytest.approx([8.0**0.5, 8.0**0.5])
    together = Timeline(np.zeros(2, np.int32), np.zeros(2), 10.0)
    assert leave_one_out_scores(embeddings, together).tolist() == [np.inf, np.inf]


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_copies_of_windows_score_exactly_0(seed: int) -> None:
    """A clip that was enrolled twice: rounding must not make its score a little more than 0."""
    embeddings = random_embeddings(np.random.default_rng(seed), 30, 100)
    scores = leave_one_out_scores(np.concatenate([embeddings, embeddings]), apart(60))
    assert scores.tolist() == [0.0] * 60
