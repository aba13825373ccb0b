"""A mixture of normal distributions: the sound of a machine that runs in a few distinct states.

Covariances are diagonal, because ten references say nothing of how 1536 dimensions depend on each other, and because a
projection on fewer dimensions would be deaf to a fault that lies across them. The number of components is the first
from 1 on that a further one does not improve by the Bayesian information criterion (Schwarz 1978).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.array_kind import ArrayKind
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers import normalisation
from asd_edge.calibration.scorers.domain_wise import DomainWise
from asd_edge.calibration.scorers.scorer import ScorerSpec

VARIANCE_FLOOR = 0.1
"""What is added to every variance, where that of the whole machine is 1. With it a component around a single window
like all others gains ln(1.1 / 0.1) + 1 / 1.1 = 3.3 a dimension in the criterion and costs 2 ln(references), 4.6 or more
from ten references on: components stand for states of the machine."""
MOST_COMPONENTS = 8
"""The most states of a machine that are looked for; the criterion mostly stops earlier."""
_REFERENCES_PER_COMPONENT = 10
"""The least number of references a component has on average: as many as a threshold needs."""
_FOLDS = 10
"""The parts that are left out in turn: nine tenths of the references make nearly the mixture that all of them make, in
ten fits instead of one for every reference."""

_ROUNDING = 1e-9
"""How far rounding may take the logarithm of a weight of 1 from 0."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """The mixture of one domain."""

    log_weights: NDArray[np.float64]
    """(components,): the logarithms of the components' weights."""
    centres: FloatArray
    """(components, dim): the means, of normalised embeddings."""
    variances: FloatArray
    """(components, dim): the variances around them."""

    def distances(self, z: NDArray[Any]) -> NDArray[Any]:
        """The negative log-likelihoods of normalised embeddings, (windows, dim) to (windows,), less a constant.

        The constant is the bound ``-log sum_k w_k |2 pi C_k|^(-1/2)``: scores begin near 0 as distances do, which the
        Gamma distribution of the threshold needs, and with one component a score is half the squared distance.
        """
        variances = self.variances.astype(np.float64)
        peaks = self.log_weights - 0.5 * np.log(variances).sum(axis=1)  # (components,), without the powers of 2 pi
        pairs = zip(self.centres, variances, strict=True)
        squared = np.array([((z - centre) ** 2 / variance).sum(axis=1) for centre, variance in pairs])
        likelihoods = peaks[:, None] - 0.5 * squared  # (components, windows)
        with np.errstate(invalid="ignore"):  # an embedding that is not a number scores so
            return np.asarray(np.logaddexp.reduce(peaks) - np.logaddexp.reduce(likelihoods, axis=0))


def fit_mixture(z: NDArray[np.float64], timeline: Timeline) -> tuple[Mixture, NDArray[np.float64]]:
    """Learn a mixture, always the same from the same references.

    Args:
        z: (references, dim) normalised embeddings.
        timeline: When each reference was recorded.

    Returns:
        The summary, and each reference's distance to one fitted without it: every tenth piece of sound, as long as a
        window, is left out in turn with all windows that share sound with it. Infinite where fewer than two are left.
    """
    best = _fit(z, 1)
    for components in range(2, min(MOST_COMPONENTS, len(z) // _REFERENCES_PER_COMPONENT) + 1):
        more = _fit(z, components)
        if more.bic(z) >= best.bic(z):
            break
        best = more
    distances = np.full(len(z), np.inf)
    fold = timeline.folds(_FOLDS)
    for number in np.unique(fold):
        out = np.flatnonzero(fold == number)
        rest = np.flatnonzero(~timeline.overlaps(out).any(axis=0))
        if len(rest) >= 2:
            distances[out] = _summary(_fit(z[rest], min(best.n_components, len(rest)))).distances(z[out])
    return _summary(best), distances


def _fit(z: NDArray[np.float64], components: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning  # only fitting needs it
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        # Copies of one sound are fewer points than components; what the criterion makes of that decides.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(components, covariance_type="diag", reg_covar=VARIANCE_FLOOR, random_state=0)
        return mixture.fit(z)


def _summary(mixture: Any) -> Mixture:
    return Mixture(
        np.log(mixture.weights_),
        mixture.means_.astype(np.float32),
        mixture.covariances_.astype(np.float32),
    )


def fit(references: References) -> tuple[DomainWise, NDArray[np.float64]]:
    """Learn a mixture for each domain; see `DomainWise.fit`."""
    return DomainWise.fit(references, fit_mixture)


ARRAYS = {
    **normalisation.ARRAYS,
    "log_weights_#": ArrayKind(np.float64, ("components #",), most=_ROUNDING, beside="centres_#"),
    "centres_#": ArrayKind(np.float32, ("components #", "dim"), beside="variances_#"),
    "variances_#": ArrayKind(np.float32, ("components #", "dim"), above=0.0),
}
"""The arrays that a bank keeps of a `DomainWise` scorer of `Mixture` summaries."""
SPEC = ScorerSpec(
    "how unlikely a mixture of normal distributions finds it, in the likelier domain",
    fit,
    lambda arrays, _: DomainWise.restore(arrays, Mixture),
    arrays=ARRAYS,
    sklearn=True,
)
