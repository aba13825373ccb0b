"""One process of the study of scale: it scores against references in a file, and waits to be looked at.

``python -m asd_edge.benchmarks.studies.cost.score_process memory|mapped FILE`` prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.scorers.nearest import NearestNeighbour
from asd_edge.calibration.scorers.normalisation import Normalisation

_BLOCK = 4096
"""So many references are compared with at once, where they are mapped: 12 MB in single precision."""
_QUERIES = 15


def main() -> None:
    """Score, say how long it took, and wait."""
    way, path = sys.argv[1], Path(sys.argv[2])
    queries = np.random.default_rng(1).standard_normal((_QUERIES, np.load(path, mmap_mode="r").shape[1]), np.float32)
    score = _in_memory(path) if way == "memory" else _mapped(path)
    took_s, distance = [], 0.0
    for query in queries:
        began = time.perf_counter()
        distance = score(query)
        took_s.append(time.perf_counter() - began)
    said = {"first_s": took_s[0], "median_s": statistics.median(took_s[1:]), "distance": distance}
    print(json.dumps(said), flush=True)  # noqa: T201  read by the study
    sys.stdin.read()


def _in_memory(path: Path) -> Callable[[FloatArray], float]:
    references = np.load(path)
    dimensions = references.shape[1]
    as_it_is = Normalisation(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
    scorer = NearestNeighbour(references, as_it_is)
    return lambda query: scorer.score(ModelOutput(query))


def _mapped(path: Path) -> Callable[[FloatArray], float]:
    """Compute the same sum as the runtime, over references that stay in their file; only good to compare with."""
    references = np.load(path, mmap_mode="r")
    starts = range(0, len(references), _BLOCK)

    def block(start: int) -> FloatArray:
        return np.asarray(references[start : start + _BLOCK], np.float32)

    norms = [np.einsum("nd,nd->n", part, part) for part in map(block, starts)]

    def score(query: FloatArray) -> float:
        least = min(
            float((norm - 2.0 * (block(start) @ query)).min()) for start, norm in zip(starts, norms, strict=True)
        )
        return float(np.sqrt(max(least + float(query @ query), 0.0)))

    return score


if __name__ == "__main__":
    main()
