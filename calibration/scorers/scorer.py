"""What a scorer is: the protocol that it fulfils, and the description by which it is found, fitted and restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.array_kind import ArrayKind
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import References


class Scorer(Protocol):
    """A fitted scorer. It says how far a window is from normal: 0 or more, the higher the stranger."""

    def score(self, output: ModelOutput) -> float:
        """The anomaly score of one window."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the bank keeps of the scorer beside the references, by name: arrays of numbers or text."""
        ...


FitScorer = Callable[..., tuple[Scorer, NDArray[np.float64]]]


@dataclass(frozen=True)
class ScorerSpec:
    """One way to compare a window with normal sound.

    Another scorer is one file with a `ScorerSpec` in it and one entry point of the group ``asd_edge.scorers``. This
    one measures the distance to the mean of the normal embeddings, and ``--scorer from-mean`` chooses it::

        import numpy as np

        from asd_edge.runtime import ScorerSpec


        class FromMean:
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

    The line in the pyproject.toml of its package is ``from-mean = "my_package.from_mean:SPEC"``.

    `fit` gets the `References`: embeddings (references, dim), the `Timeline` that tells which of them share sound, the
    domain of each and, from autoencoders, the reconstruction errors. It returns the scorer and the leave-one-out
    scores, (references,) floats: the score of each reference by a scorer that knows neither it nor the windows that
    share sound with it, infinite where none is left. The threshold is set on them. Where a scorer needs what is not
    there, `fit` raises an `InputError`.
    """

    words: str
    """What the score is, in a few words, for reports: ``distance to the nearest normal window``."""
    fit: FitScorer
    """The function from `References` to a scorer and their leave-one-out scores, as said above."""
    restore: Callable[[Mapping[str, NDArray[Any]], References], Scorer]
    """The function from what `Scorer.arrays` gave, and the references, to the same scorer."""
    points: Callable[[References], FloatArray] | None = None
    """For a scorer that looks at every reference: the function from `References` to the points (references, any) whose
    distances it measures. With ``--max-references`` those are kept that lie farthest apart, and `fit` gets as its
    second argument a mask (references,) of those to compare with; it still scores all."""
    learns: bool = True
    """Whether it learns anything from the references; otherwise they serve the threshold only."""
    rebuilds: bool = False
    """Whether it needs a model that says how badly it rebuilt the window."""
    arrays: Mapping[str, ArrayKind] = field(default_factory=dict)
    """What the arrays are that `Scorer.arrays` gives, by name, so that a bank's file is checked before it is used. The
    length ``dim`` is that of an embedding, ``references`` the number of references. What is not named is not
    checked."""
    sklearn: bool = False
    """Whether fitting needs scikit-learn."""

    @property
    def compares(self) -> bool:
        """Whether every score looks at every reference."""
        return self.points is not None
