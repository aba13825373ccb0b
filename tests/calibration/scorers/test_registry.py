import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import random_embeddings, references_of, scores_of

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.registry import SCORERS, check_can_fit, require_scorer


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("references", [10, 200])
def test_every_scorer_is_restored_from_its_arrays(name: str, references: int) -> None:
    rng = np.random.default_rng(1)
    domains = ["source"] * (references - 5) + ["target"] * 5
    known = references_of(
        random_embeddings(rng, references, 6), domains=domains, errors=rng.gamma(5.0, size=references)
    )
    queries, errors = random_embeddings(rng, 10, 6), rng.gamma(5.0, size=10)
    scorer, scores = SCORERS[name].fit(known)
    assert scores.shape == (references,)
    assert np.isfinite(scores).all()
    restored = SCORERS[name].restore(scorer.arrays(), known)
    assert scores_of(restored, queries, errors) == scores_of(scorer, queries, errors)


@given(st.sampled_from(list(SCORERS)), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_score_is_never_below_0(name: str, seed: int) -> None:
    """The Gamma distribution of the threshold begins there."""
    rng = np.random.default_rng(seed)
    errors = rng.gamma(5.0, size=12)
    known = references_of(random_embeddings(rng, 12, 3), errors=errors)
    scorer, scores = SCORERS[name].fit(known)
    assert (scores >= 0.0).all()
    assert all(score >= 0.0 for score in scores_of(scorer, known.embeddings, errors))


@pytest.mark.parametrize("name", SCORERS)
def test_what_is_far_off_scores_higher_than_any_normal_window(name: str) -> None:
    rng = np.random.default_rng(2)
    embeddings, errors = random_embeddings(rng, 60, 8), rng.gamma(5.0, size=60)
    scorer, scores = SCORERS[name].fit(references_of(embeddings, errors=errors))
    strange = embeddings[:5] + 20.0 * embeddings.std(axis=0)
    assert min(scores_of(scorer, strange, 10.0 * errors.max() * np.ones(5))) > scores.max()


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "reconstruction"])
def test_an_embedding_that_is_not_a_number_scores_so(name: str) -> None:
    rng = np.random.default_rng(3)
    embeddings = random_embeddings(rng, 30, 3)
    domains = ["source"] * 20 + ["target"] * 10
    scorer, _ = SCORERS[name].fit(references_of(embeddings, domains=domains, errors=rng.gamma(5.0, size=30)))
    broken = np.array([[np.nan, 1.0, 2.0]], np.float32)
    assert np.isnan(scores_of(scorer, broken, np.ones(1))).all()


def test_a_name_that_is_none_lists_all_that_are() -> None:
    with pytest.raises(InputError, match="no scorer of that name") as raised:
        require_scorer("neighbour")
    assert raised.value.got == "neighbour"
    assert raised.value.valid == "nearest, nearest-ldn, mahalanobis, gmm, reconstruction, reconstruction+mahalanobis"


@pytest.mark.parametrize("name", SCORERS)
def test_what_a_scorer_needs_is_asked_before_anything_is_heard(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_can_fit(name, rebuilds=True, max_references=None)
    kind = SCORERS[name]
    if kind.rebuilds:
        with pytest.raises(InputError, match="rebuilds what it hears"):
            check_can_fit(name, rebuilds=False, max_references=None)
    else:
        check_can_fit(name, rebuilds=False, max_references=None)
    if kind.compares:
        check_can_fit(name, rebuilds=True, max_references=50)
    else:
        with pytest.raises(InputError, match="does not look at single references"):
            check_can_fit(name, rebuilds=True, max_references=50)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    if kind.sklearn:
        with pytest.raises(InputError, match="scikit-learn, which is not installed") as raised:
            check_can_fit(name, rebuilds=True, max_references=None)
        assert "pip install 'asd-edge[scorers]'" in raised.value.next_step
    else:
        check_can_fit(name, rebuilds=True, max_references=None)
