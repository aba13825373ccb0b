"""The cosine distance to the nearest reference, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import apart, random_embeddings, references_of, scores_of
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_distances

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.scorers.nearest_cosine import NearestCosine, fit


def cosine_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    a, b = one.astype(float), other.astype(float)
    return 1.0 - float(a @ b) / (float(np.sqrt(a @ a)) * float(np.sqrt(b @ b)))


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (7, 5), (300, 64), (1000, 381)])
def test_score_is_the_smallest_cosine_distance_to_a_reference(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    references = random_embeddings(rng, *shape)
    queries = np.concatenate([random_embeddings(rng, 20, shape[1]), references[:2] + 0.1]).astype(np.float32)
    scores = scores_of(NearestCosine(references), queries)
    direct = [min(cosine_distance(query, each) for each in references) for query in queries]
    np.testing.assert_allclose(scores, direct, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(scores, cosine_distances(queries, references).min(axis=1), rtol=1e-3, atol=1e-6)


def test_by_hand_and_without_any_normalisation() -> None:
    """A length counts nothing; mean and deviation of a dimension are left as they are."""
    scorer = NearestCosine(np.array([[3.0, 0.0], [5.0, 5.0]], np.float32))
    found = scores_of(scorer, np.array([[7.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [-1.0, -1.0]], np.float32))
    assert found == pytest.approx([0.0, 1.0 - np.sqrt(0.5), 1.0 + np.sqrt(0.5), 1.0 + np.sqrt(0.5)])


def leave_one_out_by_loops(embeddings: FloatArray, timeline: Timeline, allowed: NDArray[np.bool_]) -> list[float]:
    scores = []
    for i in range(len(embeddings)):
        distances = [np.inf]
        for j in range(len(embeddings)):
            same = timeline.recordings[i] == timeline.recordings[j]
            shared = timeline.window_s - abs(timeline.starts_s[i] - timeline.starts_s[j])
            if allowed[j] and not (same and shared > 1e-4):
                distances.append(cosine_distance(embeddings[i], embeddings[j]))
        scores.append(min(distances))
    return scores


@pytest.mark.parametrize("hop_s", [10.0, 5.0, 2.5])
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_leave_one_out_is_a_plain_double_loop_without_windows_that_share_sound(hop_s: float, share: float) -> None:
    rng = np.random.default_rng(5)
    embeddings = random_embeddings(rng, 90, 12)
    # Neighbours in time are alike, as real sound is: a window that shares sound would win if it were let in.
    embeddings[1::2] = embeddings[::2] + 0.1 * embeddings.std(axis=0)
    starts = np.concatenate([np.arange(40), np.arange(50)]) * hop_s
    timeline = Timeline(np.repeat(np.array([0, 1], np.int32), [40, 50]), starts, 10.0)
    kept = rng.random(90) < share
    scorer, scores = fit(references_of(embeddings, timeline), kept)
    np.testing.assert_allclose(scores, leave_one_out_by_loops(embeddings, timeline, kept), rtol=1e-4)
    queries = random_embeddings(rng, 5, 12)
    expected = [min(cosine_distance(query, each) for each in embeddings[kept]) for query in queries]
    np.testing.assert_allclose(scores_of(scorer, queries), expected, rtol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
@settings(max_examples=30, deadline=None)
def test_a_reference_scores_exactly_0_against_itself_and_its_copies(seed: int, dim: int) -> None:
    references = random_embeddings(np.random.default_rng(seed), 12, dim)
    assert scores_of(NearestCosine(references), references) == [0.0] * 12
    _, scores = fit(references_of(np.concatenate([references, references]), apart(24)))
    assert scores.tolist() == [0.0] * 24


def test_an_embedding_of_zeros_is_at_a_right_angle_to_all_others() -> None:
    ones, zeros = np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32)
    assert scores_of(NearestCosine(ones), zeros) == pytest.approx([1.0])
    assert scores_of(NearestCosine(zeros), ones) == pytest.approx([1.0])
    assert scores_of(NearestCosine(zeros), zeros) == [0.0]


def test_embeddings_of_any_size() -> None:
    scorer = NearestCosine(np.array([[1e30, 0.0], [0.0, 1e-30]], np.float32))
    assert scorer.score(ModelOutput(np.array([1e-20, 1e-20], np.float32))) == pytest.approx(1.0 - np.sqrt(0.5))


def test_what_lies_in_another_direction_scores_higher_than_any_normal_window() -> None:
    """However far off it is in the same direction, it is no stranger."""
    rng = np.random.default_rng(2)
    embeddings = (5.0 + rng.standard_normal((60, 8))).astype(np.float32)
    scorer, scores = fit(references_of(embeddings))
    assert scores_of(scorer, 100.0 * embeddings) == pytest.approx([0.0] * 60, abs=1e-6)
    turned = embeddings * np.where(np.arange(8) < 2, -1.0, 1.0).astype(np.float32)
    assert min(scores_of(scorer, turned)) > scores.max()


def test_an_embedding_of_another_length_is_told() -> None:
    with pytest.raises(ModelError, match="another length") as raised:
        NearestCosine(np.ones((3, 4), np.float32)).score(ModelOutput(np.ones(5, np.float32)))
    assert (raised.value.got, raised.value.valid) == ("an array of shape (5,)", "(4,)")
