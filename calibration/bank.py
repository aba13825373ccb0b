"""The normal bank: what one machine sounds like when it is well, in one file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.errors import BankError
from asd_edge.calibration.files import write_whole
from asd_edge.calibration.nearest import FloatArray, NearestNeighbour, Normalisation, Timeline, leave_one_out_scores
from asd_edge.calibration.threshold import (
    DEFAULT_PERCENTILE,
    MIN_INDEPENDENT_WINDOWS,
    GammaFit,
    supported_percentile,
)

BANK_FORMAT = 1
_ARRAYS = ("embeddings", "recordings", "starts_s", "mean", "deviation", "normal_scores")


@dataclass(frozen=True)
class Recording:
    """One continuous piece of sound that references were cut from."""

    id: str
    """digest of the size, beginning and end of a file, or a random id of a stretch of microphone sound"""
    source: str
    """path of the file or name of the device, for people"""


@dataclass(frozen=True)
class BankInfo:
    """What a bank says of itself, beside its arrays."""

    model_sha256: str
    """digest of the model file that made the embeddings"""
    model: str
    """the model's recipe and where it was found, for people"""
    window_s: float
    hop_s: float
    """hop of the latest enrolment"""
    name: str = ""
    """the machine, as its people call it"""
    device: str = ""
    """name of the microphone, empty when enrolled from files"""
    channel: str = "1"
    """channel of the source, from 1, or ``mix``"""
    scorer: str = "nearest"
    created: str = ""
    """UTC, ISO 8601"""
    updated: str = ""
    refused: dict[str, int] = field(default_factory=dict)
    """windows that were not enrolled, by reason"""
    recordings: tuple[Recording, ...] = ()
    gamma_shape: float | None = None
    """the fit to the leave-one-out scores; none while there are too few windows"""
    gamma_scale: float | None = None
    threshold: float | None = None
    """at the 90th percentile of that fit"""
    format: int = BANK_FORMAT


@dataclass(frozen=True)
class Threshold:
    """A score to compare with, and what it rests on."""

    value: float
    percentile: float
    """of normal windows that stay under it, by the Gamma fit"""
    supported_percentile: float
    """the highest percentile that the enrolled windows have seen exceeded"""
    false_alarms_per_day: float
    """expected with the alarm rule and hop it was chosen for, if scores were independent"""

    @property
    def extrapolated(self) -> bool:
        """Whether it lies beyond what the enrolled windows can support."""
        return self.percentile > self.supported_percentile + 1e-9


@dataclass(frozen=True)
class Bank:
    """References of one machine with everything that was learned from them. Make one with `make_bank`."""

    info: BankInfo
    embeddings: FloatArray
    """(references, dim), as the model gave them"""
    timeline: Timeline
    normalisation: Normalisation
    normal_scores: NDArray[np.float64]
    """(references,) leave-one-out scores"""

    @property
    def independent_windows(self) -> int:
        """References of which no two share sound."""
        return self.timeline.independent()

    @property
    def ready(self) -> bool:
        """Whether there were enough windows, and different ones, for a threshold."""
        return self.info.gamma_shape is not None

    def scorer(self) -> NearestNeighbour:
        """The scorer on these references."""
        return NearestNeighbour(self.embeddings, self.normalisation)

    def threshold_at(self, percentile: float, rule: AlarmRule, hop_s: float) -> Threshold:
        """The threshold that `percentile` of 100 normal windows stay under.

        Args:
            percentile: Above 0, below 100.
            rule: The alarm that follows it.
            hop_s: Seconds between windows.

        Raises:
            BankError: The bank is not ready, or there is no such percentile.
        """
        if not 0.0 < percentile < 100.0:
            raise BankError(
                "There is no threshold at that percentile.",
                got=f"{percentile:g}",
                valid="above 0 and below 100",
                next_step=f"try --percentile {DEFAULT_PERCENTILE:g}",
            )
        return Threshold(
            value=self._gamma().threshold(percentile),
            percentile=percentile,
            supported_percentile=supported_percentile(self.independent_windows),
            false_alarms_per_day=rule.false_alarms_per_day(1.0 - percentile / 100.0, hop_s),
        )

    def threshold_for(self, false_alarms_per_day: float, rule: AlarmRule, hop_s: float) -> Threshold:
        """The threshold with which a normal machine raises so many alarms a day, if its scores were independent.

        Args:
            false_alarms_per_day: The wish.
            rule: The alarm that it is for.
            hop_s: Seconds between windows.

        Raises:
            BankError: The bank is not ready.
            InputError: No threshold fulfils the wish.
        """
        exceedance = rule.exceedance_for(false_alarms_per_day, hop_s)
        return self.threshold_at(100.0 * (1.0 - exceedance), rule, hop_s)

    def check_model(self, model_sha256: str, model: str) -> None:
        """Refuse a model other than the one that made this bank.

        Args:
            model_sha256: Digest of the model file.
            model: What it is, for the message.

        Raises:
            BankError: It is another model.
        """
        if model_sha256 != self.info.model_sha256:
            raise BankError(
                "The bank was made with another model, whose embeddings cannot be compared with this one's.",
                got=f"model {model} ({model_sha256[:12]}), bank of {self.info.model} ({self.info.model_sha256[:12]})",
                valid="the model that the bank was enrolled with",
                next_step="give that model with --model, or enroll a new bank with this one",
            )

    def save(self, path: str | Path) -> None:
        """Write the bank, whole or not at all.

        Args:
            path: The file; by custom its name ends in ``.npz``.

        Raises:
            InputError: The folder is missing or read-only, or the disk is full.
        """
        arrays: dict[str, NDArray[Any]] = {
            "embeddings": self.embeddings,
            "recordings": self.timeline.recordings,
            "starts_s": self.timeline.starts_s,
            "mean": self.normalisation.mean,
            "deviation": self.normalisation.deviation,
            "normal_scores": self.normal_scores,
        }
        text = json.dumps(asdict(self.info) | {"arrays_sha256": _digest(arrays)})
        with write_whole(Path(path)) as file:
            np.savez(file, allow_pickle=False, info=np.array(text), **arrays)

    @property
    def why_not_ready(self) -> BankError:
        """What to say of a bank that is not `ready`."""
        if self.independent_windows >= MIN_INDEPENDENT_WINDOWS:
            return BankError(
                "The enrolled windows are all the same sound, so there is no spread to set a threshold from.",
                got=f"{len(self.embeddings)} windows that are copies of each other",
                valid="a recording of a running machine, without copies of one clip",
                next_step="add real sound with `asd-edge enroll --append`",
            )
        missing = MIN_INDEPENDENT_WINDOWS - self.independent_windows
        return BankError(
            "The bank has too few windows for a threshold.",
            got=f"{self.independent_windows} windows that do not overlap ({len(self.embeddings)} in all)",
            valid=f"{MIN_INDEPENDENT_WINDOWS} or more: {MIN_INDEPENDENT_WINDOWS * self.info.window_s:.0f} s of sound",
            next_step=f"add at least {missing * self.info.window_s:.0f} s with `asd-edge enroll --append`",
        )

    def _gamma(self) -> GammaFit:
        shape, scale = self.info.gamma_shape, self.info.gamma_scale
        if shape is None or scale is None:
            raise self.why_not_ready
        return GammaFit(shape, scale)


def make_bank(
    info: BankInfo, embeddings: FloatArray, recordings: NDArray[np.int32], starts_s: NDArray[np.float64]
) -> Bank:
    """Learn from references: normalisation, leave-one-out scores and, where there are enough, the threshold.

    Args:
        info: Who and what; the fit and the threshold in it are replaced.
        embeddings: (references, dim) float32, at least one.
        recordings: (references,) index into ``info.recordings``.
        starts_s: (references,) start of each window within its recording, in seconds.
    """
    timeline = Timeline(recordings.astype(np.int32), starts_s.astype(np.float64), info.window_s)
    scores = leave_one_out_scores(embeddings, timeline)
    shape = scale = threshold = None
    finite = scores[np.isfinite(scores)]
    if timeline.independent() >= MIN_INDEPENDENT_WINDOWS and GammaFit.possible(finite):
        gamma = GammaFit.of(finite)
        shape, scale, threshold = gamma.shape, gamma.scale, gamma.threshold(DEFAULT_PERCENTILE)
    info = replace(info, gamma_shape=shape, gamma_scale=scale, threshold=threshold)
    return Bank(info, embeddings, timeline, Normalisation.of(embeddings), scores)


def load_bank(path: str | Path) -> Bank:
    """Read a bank, checking every byte of its arrays.

    Raises:
        BankError: The file is missing, no bank, damaged, or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise BankError(
            "There is no bank at this path." if not path.exists() else "The bank's path is a folder.",
            got=path,
            valid="a file written by `asd-edge enroll`",
            next_step="make one: asd-edge enroll --bank pump.npz --device NAME",
        )
    # NumPy leaves a file open that it opened itself and found damaged.
    with _damage_explained(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        values: dict[str, Any] = json.loads(str(file["info"]))
        if values["format"] <= BANK_FORMAT:
            arrays = {name: file[name] for name in _ARRAYS}
            if values.pop("arrays_sha256") != _digest(arrays):
                raise ValueError("the digest of its arrays does not match")
            return _assemble(values, arrays)
    raise BankError(
        "The bank was written by a newer version of asd-edge.",
        got=f"{path}, bank format {values['format']}",
        valid=f"bank format {BANK_FORMAT} or older",
        next_step="pip install --upgrade asd-edge",
    )


def _assemble(values: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Bank:
    values["recordings"] = tuple(Recording(**recording) for recording in values["recordings"])
    known = {item.name for item in fields(BankInfo)}
    info = BankInfo(**{key: value for key, value in values.items() if key in known})
    return Bank(
        info,
        arrays["embeddings"],
        Timeline(arrays["recordings"], arrays["starts_s"], info.window_s),
        Normalisation(arrays["mean"], arrays["deviation"]),
        arrays["normal_scores"],
    )


@contextlib.contextmanager
def _damage_explained(path: Path) -> Iterator[None]:
    damage: Sequence[type[Exception]] = (
        ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, NotImplementedError, RuntimeError,
        zipfile.BadZipFile, zlib.error,
    )  # fmt: skip
    try:
        yield
    except tuple(damage) as error:
        raise BankError(
            f"This file is no bank, or it is damaged: {str(error) or type(error).__name__}.",
            got=path,
            valid="a file written by `asd-edge enroll`, unchanged since",
            next_step="restore a copy, or enroll again under another path",
        ) from error


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and bytes: the zip's own checksums do not cover its headers."""
    digest = hashlib.sha256()
    for name in _ARRAYS:
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
