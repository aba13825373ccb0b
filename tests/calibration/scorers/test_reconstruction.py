import numpy as np
import pytest
from normal_sound import random_embeddings, references_of, scores_of

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.scorers.reconstruction import fit

RNG = np.random.default_rng(0)
EMBEDDINGS, ERRORS = random_embeddings(RNG, 30, 4), RNG.gamma(5.0, size=30)
QUERIES, QUERY_ERRORS = random_embeddings(RNG, 8, 4), RNG.gamma(6.0, size=8)


def test_the_score_is_the_models_own() -> None:
    scorer, scores = fit(references_of(EMBEDDINGS, errors=ERRORS))
    assert scores.tolist() == ERRORS.tolist()
    assert scores_of(scorer, QUERIES, QUERY_ERRORS) == QUERY_ERRORS.tolist()


def test_a_model_that_rebuilds_nothing_is_refused() -> None:
    scorer, _ = fit(references_of(EMBEDDINGS, errors=ERRORS))
    with pytest.raises(ModelError, match="rebuilds nothing"):
        scorer.score(ModelOutput(EMBEDDINGS[0]))
    with pytest.raises(ModelError, match="rebuilds nothing"):
        fit(references_of(EMBEDDINGS))
