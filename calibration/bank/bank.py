"""The normal bank: what one machine sounds like when it is well, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.bank_file import open_bank_file, write_bank_file
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.threshold import (
    DEFAULT_PERCENTILE,
    MIN_INDEPENDENT_WINDOWS,
    GammaFit,
    Threshold,
    supported_percentile,
)
from asd_edge.calibration.contract.references import LeftOut, Recording, References, Timeline, domains_of
from asd_edge.calibration.errors import BankError
from asd_edge.calibration.scorers.registry import fit_scorer, require_scorer, scorer_names
from asd_edge.calibration.scorers.scorer import Scorer
from asd_edge.calibration.value_types import checked


@dataclass(frozen=True, eq=False)
class Bank:
    """The references of one machine with everything that was learned from them. `make_bank` makes one."""

    how_to_get: ClassVar[str] = 'read one with load_bank("pump.npz")'

    info: BankInfo
    """What the bank says about itself."""
    references: References
    """The normal windows that are compared with, or learned from."""
    fitted: Scorer | None = None
    """The scorer; none while there are too few windows, and in what an enrolment saves on the way."""
    reference_scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """(references,): the leave-one-out scores; empty while there is no scorer."""
    left_out: LeftOut | None = None
    """The normal windows that are no references, so that the bank stays small."""

    @property
    def normal_scores(self) -> NDArray[np.float64]:
        """The leave-one-out scores of the references and, after them, of the windows that were left out, (windows,)."""
        return self.reference_scores if self.left_out is None else _joined(self.reference_scores, self.left_out)

    @property
    def independent_windows(self) -> int:
        """The number of windows that were heard and of which no two share sound."""
        timeline = self.references.timeline
        return (timeline if self.left_out is None else timeline.with_more(self.left_out.timeline)).independent()

    @property
    def ready(self) -> bool:
        """Whether there were enough windows, and different ones, for a threshold."""
        return self.info.gamma_shape is not None

    def scorer(self) -> Scorer:
        """The scorer on these references.

        Raises:
            BankError: There is no scorer yet.
        """
        if self.fitted is None:
            raise self.why_not_ready
        return self.fitted

    def threshold_at(self, percentile: float, rule: AlarmRule, hop_s: float) -> Threshold:
        """The threshold that `percentile` of 100 normal windows stay under.

        Args:
            percentile: The percentile, above 0 and below 100.
            rule: The alarm that follows the threshold.
            hop_s: The time from one window to the next in seconds.

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
            false_alarms_per_day: The number that is wished for.
            rule: The alarm that the threshold is for.
            hop_s: The time from one window to the next in seconds.

        Raises:
            BankError: The bank is not ready.
            InputError: No threshold fulfils the wish.
        """
        exceedance = rule.exceedance_for(false_alarms_per_day, hop_s)
        return self.threshold_at(100.0 * (1.0 - exceedance), rule, hop_s)

    def check_model(self, model_sha256: str, model: str) -> None:
        """Refuse a model other than the one that made this bank.

        Args:
            model_sha256: The digest of the model file.
            model: The model in words, for the message.

        Raises:
            BankError: The bank was made with another model.
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
            path: The path of the file; by custom its name ends in ``.npz``.

        Raises:
            InputError: The folder is missing or read-only, or the disk is full.
        """
        references = self.references
        arrays: dict[str, NDArray[Any]] = {
            "embeddings": references.embeddings,
            "recordings": references.timeline.recordings,
            "starts_s": references.timeline.starts_s,
            "reference_scores": self.reference_scores,
        }
        if references.reconstruction_errors is not None:
            arrays["reconstruction_errors"] = references.reconstruction_errors
        if self.left_out is not None:
            arrays["left_out_recordings"] = self.left_out.timeline.recordings
            arrays["left_out_starts_s"] = self.left_out.timeline.starts_s
            arrays["left_out_scores"] = self.left_out.scores
        if self.fitted is not None:
            arrays |= {f"{_SCORER}{name}": array for name, array in self.fitted.arrays().items()}
        write_bank_file(Path(path), asdict(self.info) | {"fitted": self.fitted is not None}, arrays)

    @property
    def why_not_ready(self) -> BankError:
        """The error to raise for a bank that is not `ready`."""
        windows, missing = len(self.references), MIN_INDEPENDENT_WINDOWS - self.independent_windows
        if missing > 0:
            window_s = self.info.window_s
            return BankError(
                "The bank has too few windows for a threshold.",
                got=f"{self.independent_windows} windows that do not overlap ({windows} in all)",
                valid=f"{MIN_INDEPENDENT_WINDOWS} or more: {MIN_INDEPENDENT_WINDOWS * window_s:.0f} s of sound",
                next_step=f"add at least {missing * window_s:.0f} s with `asd-edge enroll --append`",
            )
        if self.fitted is None:
            return BankError(
                "The enrolment of this bank was cut off before it could learn from its windows.",
                got=f"{windows} windows, all kept, and no scorer '{self.info.scorer}' fitted to them",
                valid="an enrolment that came to its end; Ctrl-C is one, too",
                next_step="`asd-edge enroll --append`, from the same files or a minute more; or wait while it goes on",
            )
        return BankError(
            "The enrolled windows are all the same sound, so there is no spread to set a threshold from.",
            got=f"{windows} windows that are copies of each other",
            valid="a recording of a running machine, without copies of one clip",
            next_step="add real sound with `asd-edge enroll --append`",
        )

    def _gamma(self) -> GammaFit:
        shape, scale = self.info.gamma_shape, self.info.gamma_scale
        if shape is None or scale is None:
            raise self.why_not_ready
        return GammaFit(shape, scale)


_SCORER = "scorer_"
"""What the names of the scorer's own arrays begin with."""


def make_bank(info: BankInfo, references: References, left_out: LeftOut | None = None) -> Bank:
    """Learn from references: the scorer, the leave-one-out scores and, where there are enough windows, a threshold.

    Args:
        info: The bank's description; the fit and the threshold in it are replaced.
        references: The normal windows, at least one.
        left_out: More normal windows, which count for the threshold with the scores that they had.

    Raises:
        InputError: There is no such scorer, or it cannot be fitted to these references.
    """
    bank = collected(info, references, left_out)
    if bank.independent_windows < MIN_INDEPENDENT_WINDOWS:
        return bank
    fitted, scores = fit_scorer(info.scorer, references)
    return with_scorer(bank.info, references, fitted, scores, left_out)


def collected(info: BankInfo, references: References, left_out: LeftOut | None = None) -> Bank:
    """Make a bank that has learned nothing yet, to be saved while an enrolment goes on."""
    info = replace(info, gamma_shape=None, gamma_scale=None, threshold=None)
    return Bank(info, references, left_out=left_out)


def with_scorer(
    info: BankInfo,
    references: References,
    fitted: Scorer,
    scores: NDArray[np.float64],
    left_out: LeftOut | None,
) -> Bank:
    """Make a bank of what was learned, with the threshold that follows from it."""
    shape = scale = threshold = None
    normal = scores if left_out is None else _joined(scores, left_out)
    finite = normal[np.isfinite(normal)]
    if GammaFit.possible(finite):
        gamma = GammaFit.of(finite)
        shape, scale, threshold = gamma.shape, gamma.scale, gamma.threshold(DEFAULT_PERCENTILE)
    info = replace(info, gamma_shape=shape, gamma_scale=scale, threshold=threshold)
    return Bank(info, references, fitted, scores, left_out)


@checked
def load_bank(path: str | Path) -> Bank:
    """Read a bank and check every byte of its arrays.

    Args:
        path: The path of the file.

    Raises:
        BankError: The file is missing, no bank, damaged, of another format, or made with a scorer that is not
            installed.
    """
    with open_bank_file(Path(path)) as (values, arrays):
        return _assemble(Path(path), values, arrays)


def _assemble(path: Path, values: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Bank:
    values["recordings"] = tuple(Recording(**recording) for recording in values["recordings"])
    known = {item.name for item in fields(BankInfo)}
    info = BankInfo(**{key: value for key, value in values.items() if key in known})
    if info.scorer not in (names := scorer_names()):
        raise BankError(
            f"The bank was made with the scorer {info.scorer}, which is not installed here.",
            got=path,
            valid=f"a bank with one of {', '.join(names)}",
            next_step="install the package that brings this scorer, or enroll again with another --scorer",
        )
    recordings = arrays["recordings"]
    references = References(
        arrays["embeddings"],
        Timeline(recordings, arrays["starts_s"], info.window_s),
        domains_of(info.recordings, recordings),
        arrays.get("reconstruction_errors"),
    )
    left_out = fitted = None
    if "left_out_scores" in arrays:
        timeline = Timeline(arrays["left_out_recordings"], arrays["left_out_starts_s"], info.window_s)
        left_out = LeftOut(timeline, arrays["left_out_scores"])
    if values["fitted"]:
        own = {name.removeprefix(_SCORER): array for name, array in arrays.items() if name.startswith(_SCORER)}
        fitted = require_scorer(info.scorer).restore(own, references)
    return Bank(info, references, fitted, arrays["reference_scores"], left_out)


def _joined(scores: NDArray[np.float64], left_out: LeftOut) -> NDArray[np.float64]:
    return np.concatenate([scores, left_out.scores])
