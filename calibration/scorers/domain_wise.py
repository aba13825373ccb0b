"""Scorers that sum the references up in a few numbers: one summary for each domain, and the smallest score counts.

[ASP] compares with the normal sound of both domains; where a mean and a spread take the references' place, a few
clips of the target domain would drown in many of the source, so each domain has its own, as in the selective
Mahalanobis mode of Harada et al., "First-shot anomaly detection for machine condition monitoring: a domain
generalization baseline", EUSIPCO 2023. Mean and deviation of each dimension are the machine's, [ASP] equation (10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers.normalisation import Normalisation


class Summary(Protocol):
    """What a scorer knows of the windows of one domain: a frozen dataclass of arrays."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def distances(self, z: NDArray[Any]) -> NDArray[Any]:
        """Tell how far normalised embeddings (windows, dim) are from normal: (windows,), 0 or more."""
        ...


FitSummary = Callable[[NDArray[np.float64], Timeline], tuple[Summary, NDArray[np.float64]]]
"""A function from normalised embeddings (references, dim) and their times to a summary and leave-one-out distances."""


@dataclass(frozen=True, eq=False)
class DomainWise:
    """A scorer by the smallest distance to the summary of a domain."""

    normalisation: Normalisation
    """The mean and deviation of the machine's embeddings, both domains together."""
    summaries: tuple[Summary, ...]
    """One summary for each domain."""

    @classmethod
    def fit(cls, references: References, fit_summary: FitSummary) -> tuple[DomainWise, NDArray[np.float64]]:
        """Sum up the references of each domain.

        Args:
            references: Normal windows; without names of domains they count as one domain.
            fit_summary: The function that learns one domain.

        Returns:
            The scorer, and each reference's score with the summary of its own domain fitted without it. Recordings
            belong to one domain, so that the other one knows nothing of it.
        """
        normalisation = Normalisation.of(references.embeddings, references.others)
        z = normalisation.apply(references.embeddings).astype(np.float64)
        domains = references.by_domain()
        fitted = [fit_summary(z[rows], references.timeline.at(rows)) for rows in domains]
        scores = np.full(len(z), np.inf)
        for rows, (summary, left_out) in zip(domains, fitted, strict=True):
            distances = summary.distances(z)
            distances[rows] = left_out
            scores = np.minimum(scores, distances)
        return cls(normalisation, tuple(summary for summary, _ in fitted)), scores

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], summary: type[Summary]) -> DomainWise:
        """Make the scorer of what `arrays` gave.

        Args:
            arrays: The arrays by name.
            summary: The class of the summaries.
        """
        names = [item.name for item in fields(summary)]
        summaries: list[Summary] = []
        while f"{names[0]}_{len(summaries)}" in arrays:
            summaries.append(summary(**{name: arrays[f"{name}_{len(summaries)}"] for name in names}))
        return cls(Normalisation(arrays["mean"], arrays["deviation"]), tuple(summaries))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned; the arrays of the summaries are numbered."""
        arrays: dict[str, NDArray[Any]] = {"mean": self.normalisation.mean, "deviation": self.normalisation.deviation}
        for number, summary in enumerate(self.summaries):
            arrays |= {f"{item.name}_{number}": getattr(summary, item.name) for item in fields(summary)}
        return arrays

    def score(self, output: ModelOutput) -> float:
        """The anomaly score of one window."""
        z: FloatArray = self.normalisation.apply(output.embedding)[None, :]
        return float(np.min([summary.distances(z)[0] for summary in self.summaries]))
