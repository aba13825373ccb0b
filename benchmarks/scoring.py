"""How long one score takes, beside the plain ways to compute the same."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from asd_edge.calibration.embedded import Embedded, FloatArray
from asd_edge.calibration.nearest import NearestNeighbour

REFERENCES, DIMENSIONS = 10_000, 1536
"""More than a day of windows at a hop of 10 s, and the largest embedding there is."""


def score_times(references: int = REFERENCES, dimensions: int = DIMENSIONS) -> Iterator[tuple[str, float]]:
    """Time one score, by the runtime's scorer and by the plain ways.

    Args:
        references: How many to compare with.
        dimensions: Of an embedding.

    Yields:
        What computed it, and its median in seconds; scikit-learn only where it is installed.
    """
    rng = np.random.default_rng(0)
    bank = rng.standard_normal((references, dimensions), dtype=np.float32)
    queries = rng.standard_normal((50, dimensions), dtype=np.float32)
    scorer = NearestNeighbour(bank)
    yield "the runtime's scorer", _median_s(lambda query: scorer.score(Embedded(query)), queries)
    yield "norm(X - q)", _median_s(lambda query: np.linalg.norm(bank - query, axis=1).min(), queries[:10])
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank)
        yield "scikit-learn, brute force", _median_s(lambda query: brute.kneighbors(query[None, :]), queries[:10])


def _median_s(call: Callable[[FloatArray], object], queries: FloatArray) -> float:
    call(queries[0])
    times_s = []
    for query in queries:
        began = time.perf_counter()
        call(query)
        times_s.append(time.perf_counter() - began)
    return statistics.median(times_s)
