"""Scorers with one summary for each domain, whatever the summary: rows, domains and times stay together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from normal_sound import normalised, random_embeddings, references_of, scores_of
from numpy.typing import NDArray

from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.scorers.domain_wise import DomainWise


@dataclass(frozen=True)
class Mean:
    """The distance to the mean."""

    centre: NDArray[np.float64]

    def distances(self, z: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.linalg.norm(z - self.centre, axis=1))


def fit_mean(z: NDArray[np.float64], timeline: Timeline) -> tuple[Mean, NDArray[np.float64]]:
    """Leave-one-out without the windows that share sound."""
    left = [z[~shares].mean(axis=0) for shares in timeline.overlaps()]
    return Mean(z.mean(axis=0)), np.linalg.norm(z - left, axis=1)


def test_every_reference_is_left_out_of_its_own_domain_with_what_shares_its_sound() -> None:
    """Domains take turns in the rows, and windows overlap unevenly, so that any exchange of rows would show."""
    rng = np.random.default_rng(3)
    embeddings = random_embeddings(rng, 40, 4)
    target = rng.random(40) < 0.4
    embeddings[target] += embeddings.std(axis=0)
    starts = np.cumsum(rng.uniform(1.0, 12.0, 40))
    numbers = target.astype(np.int32)
    domains = ["target" if each else "source" for each in target]
    scorer, scores = DomainWise.fit(
        references_of(embeddings, Timeline(numbers, starts, 10.0), domains=domains), fit_mean
    )
    z, expected = normalised(embeddings, embeddings), []
    for i in range(40):
        distances = []
        for domain in (False, True):
            shares = [target[j] == target[i] and abs(starts[j] - starts[i]) < 9.5 for j in range(40)]
            rows = (target == domain) & (~np.array(shares) if domain == target[i] else True)
            distances.append(np.linalg.norm(z[i] - z[rows].mean(axis=0)))
        expected.append(min(distances))
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    assert len(scorer.summaries) == 2
    queries = random_embeddings(rng, 10, 4)
    centres = [z[target == domain].mean(axis=0) for domain in (False, True)]
    nearest = [min(np.linalg.norm(query - centre) for centre in centres) for query in normalised(queries, embeddings)]
    np.testing.assert_allclose(scores_of(scorer, queries), nearest, rtol=1e-4)
    restored = DomainWise.restore(scorer.arrays(), Mean)
    assert scores_of(restored, queries) == scores_of(scorer, queries)
