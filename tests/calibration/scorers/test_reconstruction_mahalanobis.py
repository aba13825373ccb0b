import numpy as np
import pytest
from normal_sound import random_embeddings, references_of, scores_of

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.scorers import mahalanobis
from asd_edge.calibration.scorers.reconstruction_mahalanobis import fit

RNG = np.random.default_rng(0)
EMBEDDINGS, ERRORS = random_embeddings(RNG, 30, 4), RNG.gamma(5.0, size=30)
QUERIES, QUERY_ERRORS = random_embeddings(RNG, 8, 4), RNG.gamma(6.0, size=8)


@pytest.mark.parametrize("domains", [None, ["source"] * 20 + ["target"] * 10])
def test_standardised_scores_are_added(domains: list[str] | None) -> None:
    """Each less its mean and by its deviation over normal windows; the sum is shifted by a constant."""
    references = references_of(EMBEDDINGS, domains=domains, errors=ERRORS)
    distance, distances = mahalanobis.fit(references)
    constant = ERRORS.mean() / ERRORS.std() + distances.mean() / distances.std()

    def standardised(error: object, far: object) -> object:
        ours, theirs = np.asarray(error), np.asarray(far)
        return (ours - ERRORS.mean()) / ERRORS.std() + (theirs - distances.mean()) / distances.std() + constant

    scorer, scores = fit(references)
    np.testing.assert_allclose(scores, standardised(ERRORS, distances), rtol=1e-9)
    expected = standardised(QUERY_ERRORS, scores_of(distance, QUERIES))
    np.testing.assert_allclose(scores_of(scorer, QUERIES, QUERY_ERRORS), expected, rtol=1e-9)


def test_errors_without_any_spread_do_not_divide_by_it() -> None:
    """They count as they are, as if their deviation were 1."""
    references = references_of(EMBEDDINGS, errors=np.full(30, 2.0))
    scorer, scores = fit(references)
    distance, distances = mahalanobis.fit(references)
    np.testing.assert_allclose(scores, 2.0 + distances / distances.std(), rtol=1e-9)
    expected = QUERY_ERRORS + np.array(scores_of(distance, QUERIES)) / distances.std()
    np.testing.assert_allclose(scores_of(scorer, QUERIES, QUERY_ERRORS), expected, rtol=1e-9)


def test_a_model_that_rebuilds_nothing_is_refused() -> None:
    scorer, _ = fit(references_of(EMBEDDINGS, errors=ERRORS))
    with pytest.raises(ModelError, match="rebuilds nothing"):
        scorer.score(ModelOutput(EMBEDDINGS[0]))
    with pytest.raises(ModelError, match="rebuilds nothing"):
        fit(references_of(EMBEDDINGS))
