"""The scorers by name: how a window is compared with normal sound.

Every one is fitted on normal embeddings alone, and all of it lies in the bank. Fitting may need scikit-learn; scoring
needs NumPy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.domain_wise import DomainWise
from asd_edge.calibration.scorers.gmm import Mixture, fit_mixture
from asd_edge.calibration.scorers.local_density import fit_nearest_ldn
from asd_edge.calibration.scorers.mahalanobis import Mahalanobis, fit_mahalanobis
from asd_edge.calibration.scorers.nearest import NearestNeighbour, fit_nearest
from asd_edge.calibration.scorers.reconstruction import (
    Reconstruction,
    ReconstructionAndDistance,
    fit_reconstruction,
    fit_reconstruction_and_distance,
)


class Scorer(Protocol):
    """Says how far a window is from normal: 0 or more, the higher the stranger."""

    def score(self, embedded: ModelOutput) -> float:
        """Anomaly score of one window."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What to keep of it beside the references."""
        ...


FitScorer = Callable[..., tuple[Scorer, NDArray[np.float64]]]


@dataclass(frozen=True)
class ScorerSpec:
    """One way to score."""

    words: str
    """what the score is"""
    fit: FitScorer
    """from `References` to the scorer and their leave-one-out scores"""
    restore: Callable[[Mapping[str, NDArray[Any]], References], Scorer]
    """from a scorer's arrays and the references"""
    compares: bool = False
    """whether every score looks at every reference; then `fit` takes a mask of those to keep, too"""
    learns: bool = True
    """whether it learns anything from the references; otherwise they serve the threshold only"""
    rebuilds: bool = False
    """whether it needs a model that says how badly it rebuilt the window"""
    sklearn: bool = False
    """whether fitting needs scikit-learn"""


SCORERS: dict[str, ScorerSpec] = {
    "nearest": ScorerSpec(
        "distance to the nearest normal window", fit_nearest, NearestNeighbour.restore, compares=True
    ),
    "nearest-ldn": ScorerSpec(
        "distance to the nearest normal window, relative to how far apart normal windows lie there",
        fit_nearest_ldn,
        NearestNeighbour.restore,
        compares=True,
    ),
    "mahalanobis": ScorerSpec(
        "Mahalanobis distance to normal sound, the nearer of its domains",
        lambda references: DomainWise.fit(references, fit_mahalanobis),
        lambda arrays, _: DomainWise.restore(arrays, Mahalanobis),
        sklearn=True,
    ),
    "gmm": ScorerSpec(
        "how unlikely a mixture of normal distributions finds it, in the likelier domain",
        lambda references: DomainWise.fit(references, fit_mixture),
        lambda arrays, _: DomainWise.restore(arrays, Mixture),
        sklearn=True,
    ),
    "reconstruction": ScorerSpec(
        "how badly the model rebuilds the window",
        fit_reconstruction,
        lambda _, __: Reconstruction(),
        learns=False,
        rebuilds=True,
    ),
    "reconstruction+mahalanobis": ScorerSpec(
        "reconstruction error and Mahalanobis distance, each by its normal deviation",
        fit_reconstruction_and_distance,
        lambda arrays, _: ReconstructionAndDistance.restore(arrays),
        rebuilds=True,
        sklearn=True,
    ),
}


def require_scorer(name: str) -> ScorerSpec:
    """The scorer of a name.

    Raises:
        InputError: There is none.
    """
    if name not in SCORERS:
        raise InputError(
            "There is no scorer of that name.", got=name, valid=", ".join(SCORERS), next_step="try --scorer nearest"
        )
    return SCORERS[name]


def check_can_fit(name: str, rebuilds: bool, max_references: int | None) -> None:
    """Find out before anything is heard whether a scorer can be fitted here.

    Args:
        name: Of the scorer.
        rebuilds: Whether the model says how badly it rebuilt the window.
        max_references: How many references are to be kept, if not all.

    Raises:
        InputError: There is no such scorer, the model does not give what it needs, scikit-learn is missing, or the
            scorer does not look at single references.
    """
    kind = require_scorer(name)
    if kind.rebuilds and not rebuilds:
        raise InputError(
            f"The scorer {name} needs a model that rebuilds what it hears.",
            got="a model without the output reconstruction_error",
            valid=f"an autoencoder, or one of {', '.join(name for name, kind in SCORERS.items() if not kind.rebuilds)}",
            next_step="try --scorer nearest, or another --model",
        )
    if kind.sklearn and importlib.util.find_spec("sklearn") is None:
        raise InputError(
            f"The scorer {name} is fitted with scikit-learn, which is not installed.",
            got="no module named sklearn",
            valid="scikit-learn where banks are enrolled; listening and scoring do not need it",
            next_step="pip install 'asd-edge[scorers]', or --scorer nearest",
        )
    if max_references is not None and not kind.compares:
        raise InputError(
            f"The scorer {name} does not look at single references, so keeping fewer would make nothing faster.",
            got=f"--max-references {max_references}",
            valid=f"with {' or '.join(name for name, kind in SCORERS.items() if kind.compares)}",
            next_step="leave --max-references away",
        )
