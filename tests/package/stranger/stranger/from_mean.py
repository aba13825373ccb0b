"""A scorer: the distance to the mean of normal sound."""

from __future__ import annotations

import numpy as np

from asd_edge.runtime import ScorerSpec


class FromMean:
    """The distance to a mean."""

    def __init__(self, mean):
        self.mean = mean

    def score(self, output):
        return float(np.linalg.norm(output.embedding - self.mean))

    def arrays(self):
        return {"mean": self.mean}


def fit(references):
    x, shares_sound = references.embeddings, references.timeline.overlaps()
    without = [x[~shares].mean(axis=0) for shares in shares_sound]
    return FromMean(x.mean(axis=0)), np.linalg.norm(x - without, axis=1).astype(float)


SPEC = ScorerSpec("distance to the mean of normal sound", fit, lambda arrays, _: FromMean(arrays["mean"]))
