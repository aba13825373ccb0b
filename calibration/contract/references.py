"""The normal windows that a scorer learns from, and when each was heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

IndexArray = NDArray[np.intp]

LEAST_IN_A_DOMAIN = 3
"""References without which a domain is not taken apart: a mean and a spread must be left when one is left out."""


@dataclass(frozen=True)
class Recording:
    """One continuous piece of sound that references were cut from."""

    id: str
    """digest of the size, beginning and end of a file, or a random id of a stretch of microphone sound"""
    source: str
    """path of the file or name of the device, for people"""
    domain: str = ""
    """``source`` or ``target`` where the name of a file says so"""


@dataclass(frozen=True)
class Timeline:
    """When each window was recorded, so that windows which share sound are not compared with each other."""

    recordings: NDArray[np.int32]
    """(windows,) index of the continuous recording that the window was cut from"""
    starts_s: NDArray[np.float64]
    """(windows,) start of the window within its recording"""
    window_s: float
    """length of every window"""

    def overlaps(
        self, rows: slice | IndexArray = slice(None), columns: slice | IndexArray = slice(None)
    ) -> NDArray[np.bool_]:
        """Which windows share sound: (rows, columns); each shares with itself."""
        same = self.recordings[rows, None] == self.recordings[None, columns]
        # Half a sample of tolerance: windows that touch do not overlap.
        near = np.abs(self.starts_s[rows, None] - self.starts_s[None, columns]) < self.window_s - 3e-5
        return np.asarray(same & near)

    def independent(self) -> int:
        """How many windows can be picked of which no two share sound."""
        count = 0
        for recording in np.unique(self.recordings):
            end = -np.inf
            for start in np.sort(self.starts_s[self.recordings == recording]):
                if start >= end - 3e-5:
                    count, end = count + 1, start + self.window_s
        return count

    def at(self, rows: IndexArray) -> Timeline:
        """That of some of the windows."""
        return Timeline(self.recordings[rows], self.starts_s[rows], self.window_s)

    def with_more(self, other: Timeline) -> Timeline:
        """That of these windows and, after them, of others of the same recordings."""
        return Timeline(
            np.concatenate([self.recordings, other.recordings]),
            np.concatenate([self.starts_s, other.starts_s]),
            self.window_s,
        )


@dataclass(frozen=True, eq=False)
class References:
    """Normal windows after the model."""

    embeddings: FloatArray
    """(references, dim), as the model gave them"""
    timeline: Timeline
    domains: NDArray[np.str_]
    """(references,) ``source`` or ``target``, empty where nothing names one"""
    reconstruction_errors: NDArray[np.float64] | None = None
    """(references,); none from models that rebuild nothing"""

    def __len__(self) -> int:
        return len(self.embeddings)

    def at(self, rows: IndexArray) -> References:
        """Some of them, in this order."""
        errors = self.reconstruction_errors
        return References(
            self.embeddings[rows],
            self.timeline.at(rows),
            self.domains[rows],
            errors if errors is None else errors[rows],
        )

    def by_domain(self) -> list[IndexArray]:
        """Rows of each domain; all of them together unless every one names its domain and no domain is too small."""
        names, sizes = np.unique(self.domains, return_counts=True)
        if "" in names or sizes.min() < LEAST_IN_A_DOMAIN:
            return [np.arange(len(self))]
        return [np.flatnonzero(self.domains == name) for name in names]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Normal windows that were heard and scored but are no references, so that the bank stays small."""

    timeline: Timeline
    scores: NDArray[np.float64]
    """(windows,) against the references, at the time when they were left out"""


def domains_of(recordings: tuple[Recording, ...], numbers: NDArray[np.int32]) -> NDArray[np.str_]:
    """The domain of each window by the number of its recording."""
    return np.array([recording.domain for recording in recordings], np.str_)[numbers]
