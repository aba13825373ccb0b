"""The normal windows that a scorer learns from, and when each was heard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.moments import Moments
from asd_edge.calibration.errors import InputError

IndexArray = NDArray[np.intp]

_TOUCHING = 0.05
"""Windows that share a smaller part of their sound only touch: a microphone times each up to .2 s early or late."""
_SAME_S = 3e-5
"""Half a sample: times that are closer are the same, and were rounded."""
LEAST_IN_A_DOMAIN = 3
"""The references without which a domain is not taken apart: a mean and a spread must be left when one is left out."""


@dataclass(frozen=True)
class Recording:
    """One continuous piece of sound that windows were cut from."""

    id: str
    """A digest of the size, beginning and end of a file, or a random id of a stretch of microphone sound."""
    source: str
    """The path of the file or the name of the device, for people."""
    domain: str = ""
    """The domain, ``source`` or ``target``, where the name of a file says so; else empty."""


@dataclass(frozen=True)
class Timeline:
    """When each window was recorded, so that windows which depend on each other are not compared."""

    recordings: NDArray[np.int32]
    """(windows,): the number of the continuous recording that the window was cut from."""
    starts_s: NDArray[np.float64]
    """(windows,): the start of the window in its recording, in seconds."""
    window_s: float
    """The length of every window in seconds."""
    reach_s: float = 0.0
    """How far apart two windows of one recording must begin not to depend on each other, in seconds. With 0, only those
    depend that share sound, and nobody asked how far others stay alike."""

    def __post_init__(self) -> None:
        _require_rows(len(self.recordings), starts_s=self.starts_s, recordings=self.recordings)

    def overlaps(
        self, rows: slice | IndexArray = slice(None), columns: slice | IndexArray = slice(None)
    ) -> NDArray[np.bool_]:
        """Tell which windows share sound or depend on each other otherwise, (rows, columns); each does with itself."""
        same = self.recordings[rows, None] == self.recordings[None, columns]
        apart_s = max((1.0 - _TOUCHING) * self.window_s, self.reach_s - _SAME_S)
        near = np.abs(self.starts_s[rows, None] - self.starts_s[None, columns]) < apart_s
        return np.asarray(same & near)

    @property
    def hop_s(self) -> float:
        """The usual time from one window of a recording to the next in seconds; a window's length if none follows."""
        order = np.lexsort((self.starts_s, self.recordings))
        steps = np.diff(self.starts_s[order])[np.diff(self.recordings[order]) == 0]
        steps = steps[steps > _SAME_S]
        return float(np.median(steps)) if len(steps) else self.window_s

    @property
    def places(self) -> list[tuple[int, float]]:
        """The number of the recording of each window, and its start there in seconds: no two windows have the same."""
        return list(zip(self.recordings.tolist(), self.starts_s.tolist(), strict=True))

    def rows_of(self, others: Timeline) -> NDArray[np.bool_]:
        """Tell which of the windows are among others, (windows,)."""
        among = set(others.places)
        return np.array([place in among for place in self.places], np.bool_)

    def independent(self) -> int:
        """Count how many windows can be picked of which no two share sound."""
        count, apart_s = 0, (1.0 - _TOUCHING) * self.window_s
        for recording in np.unique(self.recordings):
            latest = -np.inf
            for start in np.sort(self.starts_s[self.recordings == recording]):
                if start >= latest + apart_s:
                    count, latest = count + 1, start
        return count

    def folds(self, count: int) -> IndexArray:
        """Deal the windows out so that each part can be left out in turn, (windows,): the number of each one's part.

        Pieces of sound as long as windows depend on each other go into the parts by turns, so that windows which begin
        close to each other are left out together, and most of those between two pieces stay.

        Args:
            count: The number of parts.
        """
        pieces = np.stack([self.recordings, np.floor(self.starts_s / max(self.window_s, self.reach_s))], axis=1)
        return np.asarray(np.unique(pieces, axis=0, return_inverse=True)[1].reshape(-1) % count)

    def at(self, rows: IndexArray) -> Timeline:
        """The timeline of some of the windows, in this order."""
        return replace(self, recordings=self.recordings[rows], starts_s=self.starts_s[rows])

    def with_more(self, other: Timeline) -> Timeline:
        """The timeline of these windows and, after them, of others of the same recordings."""
        return replace(
            self,
            recordings=np.concatenate([self.recordings, other.recordings]),
            starts_s=np.concatenate([self.starts_s, other.starts_s]),
        )


@dataclass(frozen=True, eq=False)
class References:
    """Normal windows as the model gave them, and where they came from.

    Raises:
        InputError: The arrays do not fit together, or hold what is infinite or not a number: nothing can be compared
            with it, and it would spoil the mean and deviation of all others.
    """

    embeddings: FloatArray
    """(references, dim): the embeddings, float32."""
    timeline: Timeline
    """When each reference was recorded."""
    domains: NDArray[np.str_]
    """(references,): the domain, ``source`` or ``target``; empty where nothing names one."""
    reconstruction_errors: NDArray[np.float64] | None = None
    """(references,): how badly the model rebuilt each; none from models that rebuild nothing."""
    others: Moments | None = None
    """The moments of windows that were heard as well, of which nothing else is left: mean and deviation are those of
    all windows."""

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or self.embeddings.dtype != np.float32:
            raise _of_another_form(f"embeddings: {_form(self.embeddings)}", "float32 of shape (references, dim)")
        rows = {"timeline": self.timeline.starts_s, "domains": self.domains}
        if self.reconstruction_errors is not None:
            rows["reconstruction_errors"] = self.reconstruction_errors
        _require_rows(len(self), **rows)
        _require_finite(embeddings=self.embeddings, reconstruction_errors=self.reconstruction_errors)

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def taken_as_independent(self) -> References:
        """The same references, of which only those that share sound are taken to depend on each other, as in [ASP]."""
        return replace(self, timeline=replace(self.timeline, reach_s=0.0))

    def at(self, rows: IndexArray) -> References:
        """Some of the references, in this order, with nothing said about others."""
        errors = self.reconstruction_errors
        return References(
            self.embeddings[rows],
            self.timeline.at(rows),
            self.domains[rows],
            errors if errors is None else errors[rows],
        )

    def with_more(self, more: References, others: Moments | None) -> References:
        """These references and, after them, more of the same recordings.

        Args:
            more: The references to add.
            others: The moments of the windows that are among neither.
        """
        errors, theirs = self.reconstruction_errors, more.reconstruction_errors
        if (errors is None) != (theirs is None):
            raise _of_another_form("reconstruction_errors of one part only", "those of all windows, or of none")
        return References(
            np.concatenate([self.embeddings, more.embeddings]),
            self.timeline.with_more(more.timeline),
            np.concatenate([self.domains, more.domains]),
            None if errors is None or theirs is None else np.concatenate([errors, theirs]),
            others,
        )

    def by_domain(self) -> list[IndexArray]:
        """The rows of each domain; all rows together unless every one names its domain and no domain is too small."""
        names, sizes = np.unique(self.domains, return_counts=True)
        if "" in names or sizes.min() < LEAST_IN_A_DOMAIN:
            return [np.arange(len(self))]
        return [np.flatnonzero(self.domains == name) for name in names]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Normal windows that were heard and scored but are no references, so that scoring stays quick.

    Raises:
        InputError: The arrays do not fit together.
    """

    timeline: Timeline
    """When each window was recorded."""
    scores: NDArray[np.float64]
    """(windows,): the scores of the windows by the bank's scorer."""
    held: References | None = None
    """The last of these windows with their embeddings, so that they can be scored again when the bank changes; none
    where there are none."""
    forgotten: Moments | None = None
    """The moments of the windows before them; none where there are none, or where nothing is known of them."""

    def __post_init__(self) -> None:
        _require_rows(len(self.timeline.starts_s), scores=self.scores)
        if self.held is not None:
            forgotten = self.forgotten_windows
            if forgotten < 0 or self.timeline.starts_s[forgotten:].tolist() != self.held.timeline.starts_s.tolist():
                raise _of_another_form(f"{len(self.held)} windows held", "the last of the windows that were left out")

    @property
    def forgotten_windows(self) -> int:
        """The number of windows whose embeddings are gone."""
        return len(self.scores) - (0 if self.held is None else len(self.held))

    @property
    def moments(self) -> Moments | None:
        """The moments of all these windows, as far as they are known."""
        held = None if self.held is None else Moments.of(self.held.embeddings)
        return self.forgotten if held is None else held if self.forgotten is None else held.with_more(self.forgotten)

    def with_references(self, references: References) -> References:
        """All windows of a bank that can be scored again: its references and, after them, what is `held`."""
        if self.held is None:
            return replace(references, others=self.forgotten)
        return references.with_more(self.held, self.forgotten)

    def scored_again(self, scores: NDArray[np.float64]) -> LeftOut:
        """The same windows in the unit of other scores.

        Args:
            scores: (held,) the new scores of the windows that are held. Those of the others are multiplied by what
                became of them on average.
        """
        count = self.forgotten_windows
        before = self.scores[count:]
        known = np.isfinite(before) & np.isfinite(scores)
        share = scores[known].sum() / before[known].sum() if before[known].sum() > 0.0 else 1.0
        return replace(self, scores=np.concatenate([self.scores[:count] * share, scores]))


def domains_of(recordings: tuple[Recording, ...], numbers: NDArray[np.int32]) -> NDArray[np.str_]:
    """The domain of each window by the number of its recording."""
    return np.array([recording.domain for recording in recordings], np.str_)[numbers]


def _require_rows(count: int, **arrays: NDArray[Any]) -> None:
    """Refuse arrays that have no row for each window."""
    for name, array in arrays.items():
        if array.shape != (count,):
            raise _of_another_form(f"{name}: {_form(array)}", f"an array of shape ({count},), a value for each window")


def _require_finite(**arrays: NDArray[Any] | None) -> None:
    """Refuse arrays (references, ...) with a value that is infinite or not a number."""
    for name, array in arrays.items():
        if array is None:
            continue
        broken = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        if broken.any():
            raise InputError(
                "A reference is infinite or not a number.",
                got=f"{name}: {np.count_nonzero(broken)} of {len(array)}, the first in row {np.argmax(broken)}",
                valid="numbers that are finite",
                next_step="leave out what the model makes nothing of: ModelOutput.not_finite says so; "
                "a bank that holds it must be enrolled again",
            )


def _form(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _of_another_form(got: str, valid: str) -> InputError:
    return InputError(
        "The arrays of windows do not fit together.",
        got=got,
        valid=valid,
        next_step="see help(asd_edge.runtime.References) and help(asd_edge.runtime.Timeline)",
    )
