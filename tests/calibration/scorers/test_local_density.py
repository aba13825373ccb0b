import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import normalised, random_embeddings, references_of, scores_of
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.scorers import local_density
from asd_edge.calibration.scorers.local_density import NEIGHBOURS, fit

SEEDS = st.integers(0, 2**32 - 1)


def in_stretches(references: int, hop_s: float) -> Timeline:
    """Two recordings with windows every `hop_s`."""
    first = references // 2
    starts = np.concatenate([np.arange(first), np.arange(references - first)]) * hop_s
    return Timeline(np.repeat(np.array([0, 1], np.int32), [first, references - first]), starts, 10.0)


def spreads_by_loops(z: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean distance of each to its nearest neighbours among those it may use: (windows, windows)."""
    spreads = np.empty(len(z))
    for i in range(len(z)):
        distances = sorted(float(np.linalg.norm(z[i] - z[j])) for j in range(len(z)) if usable[i, j])
        spreads[i] = np.mean(distances[:NEIGHBOURS])
    return spreads


def test_score_is_the_smallest_quotient_of_distances() -> None:
    """With scikit-learn's nearest neighbours, on windows that share no sound."""
    rng = np.random.default_rng(1)
    references, queries = random_embeddings(rng, 200, 12), random_embeddings(rng, 30, 12)
    z, z_queries = normalised(references, references), normalised(queries, references)
    among = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(z).kneighbors(z)[0][:, 1:].mean(axis=1)
    expected = (np.linalg.norm(z_queries[:, None] - z[None], axis=2) / among).min(axis=1)
    scorer, _ = fit(references_of(references))
    np.testing.assert_allclose(scores_of(scorer, queries), expected, rtol=1e-4)
    # The nearest reference is not always the one that counts.
    assert not np.allclose(expected, [each.min() for each in np.linalg.norm(z_queries[:, None] - z[None], axis=2)])


def test_by_hand() -> None:
    """A dense pair of windows and a loose one: the same distance counts less beside the loose."""
    scorer, _ = fit(references_of(np.array([[0.0], [1.0], [10.0], [14.0]], np.float32)))
    # 6 from the window at 10, whose neighbour is 4 away; 3 from the one at 1, whose neighbour is 1 away.
    # Scale and offset of the normalisation cancel in the quotient.
    assert scorer.score(ModelOutput(np.array([4.0], np.float32))) == pytest.approx(6.0 / 4.0, rel=1e-5)
    assert scorer.score(ModelOutput(np.array([-3.0], np.float32))) == pytest.approx(3.0, rel=1e-5)
    assert scorer.score(ModelOutput(np.array([17.0], np.float32))) == pytest.approx(3.0 / 4.0, rel=1e-5)


@pytest.mark.parametrize("hop_s", [10.0, 5.0, 1.0])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_leave_one_out_is_a_scorer_that_never_saw_the_window(hop_s: float, share: float) -> None:
    """Written out: without the window and all that share sound with it, numerators and denominators both."""
    rng = np.random.default_rng(2)
    embeddings, timeline = random_embeddings(rng, 60, 5), in_stretches(60, hop_s)
    # Neighbours in time are alike, as real sound is.
    embeddings[1::2] = embeddings[::2] + 0.1 * embeddings.std(axis=0)
    kept = rng.random(60) < share
    z, shares = normalised(embeddings, embeddings), timeline.overlaps()
    expected = []
    for i in range(60):
        others = kept & ~shares[i]
        spreads = spreads_by_loops(z, others[None, :] & ~shares)
        expected.append(min(np.linalg.norm(z[i] - z[j]) / spreads[j] for j in np.flatnonzero(others)))
    scorer, scores = fit(references_of(embeddings, timeline), kept)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    spreads = spreads_by_loops(z, kept[None, :] & ~shares)
    np.testing.assert_allclose(scorer.spread, spreads[kept], rtol=1e-4)
    queries = random_embeddings(rng, 5, 5)
    z_queries = normalised(queries, embeddings)
    quotients = np.linalg.norm(z_queries[:, None] - z[None, kept], axis=2) / spreads[kept]
    np.testing.assert_allclose(scores_of(scorer, queries), quotients.min(axis=1), rtol=1e-3)


def test_references_are_worked_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of seven rows gives what one part of all rows gives."""
    embeddings, timeline = random_embeddings(np.random.default_rng(3), 60, 5), in_stretches(60, 5.0)
    whole, scores = fit(references_of(embeddings, timeline))
    monkeypatch.setattr(local_density, "ROWS", 7)
    parted, parted_scores = fit(references_of(embeddings, timeline))
    np.testing.assert_allclose(parted.spread, whole.spread, rtol=1e-6)
    np.testing.assert_allclose(parted_scores, scores, rtol=1e-9)


@pytest.mark.parametrize(("apart_by", "score"), [(3e-4, 13.0 / 4.0), (0.0, 3.0 / 10.0)])
def test_windows_that_are_almost_the_same_are_neighbours_and_copies_are_not(apart_by: float, score: float) -> None:
    """Of 0 and almost 0, each is the other's near neighbour, so that 3 is far from both; of two zeros, it is not."""
    scorer, _ = fit(references_of(np.array([[0.0], [apart_by], [10.0], [14.0]], np.float32)))
    assert scorer.score(ModelOutput(np.array([-3.0], np.float32))) == pytest.approx(score, rel=1e-3)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_references_score_0_in_any_order_and_no_scale_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    references, queries = random_embeddings(rng, 30, 6), random_embeddings(rng, 5, 6)
    scorer, scores = fit(references_of(references))
    assert scores_of(scorer, references) == [0.0] * 30
    found = scores_of(scorer, queries)
    order = rng.permutation(30)
    shuffled, shuffled_scores = fit(references_of(references[order]))
    assert scores_of(shuffled, queries) == pytest.approx(found, rel=1e-4)
    np.testing.assert_allclose(shuffled_scores, scores[order], rtol=1e-4)
    factor = np.where(np.arange(6) == 2, np.float32(-8.0), np.float32(1.0))
    scaled, _ = fit(references_of(references * factor))
    assert scores_of(scaled, queries * factor) == pytest.approx(found, rel=1e-3)


def test_a_copy_says_nothing_of_density() -> None:
    """A clip that was enrolled twice has no distance to its copy: its neighbour is another sound."""
    rng = np.random.default_rng(3)
    references, queries = random_embeddings(rng, 20, 4), random_embeddings(rng, 5, 4)
    twice, scores = fit(references_of(np.concatenate([references, references])))
    assert scores_of(twice, queries) == pytest.approx(scores_of(fit(references_of(references))[0], queries))
    assert scores.tolist() == [0.0] * 40


def test_copies_of_a_single_sound_still_have_a_score() -> None:
    scorer, scores = fit(references_of(np.ones((12, 3), np.float32)))
    assert scores.tolist() == [0.0] * 12
    assert scorer.score(ModelOutput(np.array([1.0, 1.0, 3.0], np.float32))) == pytest.approx(2.0)
