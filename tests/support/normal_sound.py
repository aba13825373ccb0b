"""References for tests of scorers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers.scorer import Scorer


def random_embeddings(rng: np.random.Generator, references: int, dim: int) -> FloatArray:
    """Dimensions of very different size and offset, as embeddings have them, that depend on each other."""
    mixed = rng.standard_normal((references, dim)) @ (np.eye(dim) + 0.3 * rng.standard_normal((dim, dim)))
    return (mixed * rng.uniform(0.01, 10.0, dim) + rng.uniform(-5.0, 5.0, dim)).astype(np.float32)


def normalised(embeddings: FloatArray, references: FloatArray) -> NDArray[np.float64]:
    """[ASP] equation (10), in doubles."""
    values = references.astype(np.float64)
    return np.asarray((embeddings.astype(np.float64) - values.mean(axis=0)) / values.std(axis=0))


def apart(references: int) -> Timeline:
    """Every window from a recording of its own."""
    return Timeline(np.arange(references, dtype=np.int32), np.zeros(references), 10.0)


def references_of(
    embeddings: FloatArray,
    timeline: Timeline | None = None,
    domains: list[str] | None = None,
    errors: NDArray[np.float64] | None = None,
) -> References:
    """References, each from a recording of its own unless a timeline says otherwise."""
    named = np.array(domains or [""] * len(embeddings), np.str_)
    return References(embeddings, timeline or apart(len(embeddings)), named, errors)


def scores_of(scorer: Scorer, embeddings: FloatArray, errors: NDArray[np.float64] | None = None) -> list[float]:
    """One score for each embedding."""
    told = [None] * len(embeddings) if errors is None else errors.tolist()
    return [scorer.score(ModelOutput(embedding, error)) for embedding, error in zip(embeddings, told, strict=True)]
