"""How long one score takes, beside what else computes the distance to the nearest reference."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import statistics
from collections.abc import Callable, Iterator

import numpy as np

from asd_edge.benchmarks.probes.interleaved import interleave, seconds, turns
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.scorers.nearest import NearestNeighbour
from asd_edge.calibration.scorers.normalisation import Normalisation

REFERENCES, DIMENSIONS = 10_000, 1536
"""More than a day of windows at a hop of 10 s, and the largest embedding there is."""
OURS = "the runtime's scorer"
PEERS = {"scikit-learn, brute force": "sklearn", "faiss, flat": "faiss", "usearch, exact": "usearch"}
"""What a user would pick instead, and the module that it is in."""
_QUERIES = 10
_ROUNDS = 7
_LONGEST_TURN_S = 0.1
_MOST_IN_A_ROW = 50
_TOLERANCE = 1e-3
"""How far two distances may be apart, in parts of them: all compute in single precision."""

Distance = Callable[[FloatArray], float]


def score_times(references: int = REFERENCES, dimensions: int = DIMENSIONS) -> dict[str, float]:
    """Time one score, by the runtime's scorer, the plain way and those of `PEERS` that are installed.

    Args:
        references: How many to compare with.
        dimensions: The dimensions of an embedding.

    Returns:
        The median in seconds by what computed it, the runtime's first; all interleaved, disturbed rounds repeated.

    Raises:
        ValueError: One way finds another distance than the runtime.
    """
    rng = np.random.default_rng(0)
    bank = rng.standard_normal((references, dimensions), dtype=np.float32)
    queries = rng.standard_normal((_QUERIES, dimensions), dtype=np.float32)
    ways = _ways(bank)
    expected = ways[OURS](queries[0])
    for name, distance in ways.items():
        if abs(distance(queries[0]) - expected) > _TOLERANCE * expected:
            raise ValueError(f"{name} finds another nearest distance than the runtime")
    runs = [functools.partial(_score_next, distance, itertools.cycle(queries)) for distance in ways.values()]
    in_a_row = turns((run() for run in runs), _LONGEST_TURN_S, _MOST_IN_A_ROW)
    took_s: dict[str, list[float]] = {name: [] for name in ways}
    quiet = (each for each in interleave(runs, in_a_row) if not each.disturbed)
    for each in itertools.islice(quiet, _ROUNDS):
        for name, times in zip(ways, each.gave, strict=True):
            took_s[name] += times[1:]
    return {name: statistics.median(times) for name, times in took_s.items()}


def missing_peers() -> list[str]:
    """Name the `PEERS` that are not installed."""
    return [name for name, module in PEERS.items() if importlib.util.find_spec(module) is None]


def _score_next(distance: Distance, queries: Iterator[FloatArray]) -> float:
    return seconds(functools.partial(distance, next(queries)))


def _ways(bank: FloatArray) -> dict[str, Distance]:
    """Ways to the smallest distance of a query ``(dim,)`` to a bank ``(references, dim)``."""
    dimensions = bank.shape[1]
    as_it_is = Normalisation(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
    scorer = NearestNeighbour(bank, as_it_is)
    ways: dict[str, Distance] = {
        OURS: lambda query: scorer.score(ModelOutput(query)),
        "norm(X - q)": lambda query: float(np.linalg.norm(bank - query, axis=1).min()),
    }
    makers = dict(zip(PEERS, (_scikit_learn, _faiss, _usearch), strict=True))
    missing = missing_peers()
    return ways | {name: make(bank) for name, make in makers.items() if name not in missing}


def _scikit_learn(bank: FloatArray) -> Distance:
    from sklearn.neighbors import NearestNeighbors

    brute = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank)
    return lambda query: float(brute.kneighbors(query[None, :])[0][0, 0])


def _faiss(bank: FloatArray) -> Distance:
    import faiss

    index = faiss.IndexFlatL2(bank.shape[1])
    index.add(bank)
    return lambda query: float(np.sqrt(index.search(query[None, :], 1)[0][0, 0]))


def _usearch(bank: FloatArray) -> Distance:
    from usearch.index import MetricKind, search

    return lambda query: float(np.sqrt(search(bank, query, 1, MetricKind.L2sq, exact=True).distances[0]))
