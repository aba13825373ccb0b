"""The normal bank: what one machine sounds like when it is well, in one file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.answers import Answered
from asd_edge.calibration.bank.bank_arrays import arrays_of, check_bank_arrays, scorer_arrays
from asd_edge.calibration.bank.bank_file import open_bank_file, write_bank_file
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.dependence import Dependence, similarity, with_scores
from asd_edge.calibration.bank.false_alarms import NormalScores
from asd_edge.calibration.bank.migration import migrate
from asd_edge.calibration.bank.sessions import scored_by_others, sessions_of
from asd_edge.calibration.bank.threshold import (
    DEFAULT_PERCENTILE,
    MIN_INDEPENDENT_WINDOWS,
    GammaFit,
    Threshold,
)
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.moments import Moments
from asd_edge.calibration.contract.parity import LIMITS, Certificate
from asd_edge.calibration.contract.references import LeftOut, References, Timeline, domains_of
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.calibration.scorers.registry import fit_scorer, require_scorer, scorer_names
from asd_edge.calibration.scorers.scorer import Scorer
from asd_edge.calibration.value_types import checked
from asd_edge.calibration.wording import counted


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
    """The normal windows that are no references, so that scoring stays quick."""
    probe: FloatArray | None = None
    """(sounds, dim): the embeddings that the model gave for the known sounds of
    `asd_edge.calibration.contract.probe.probe_sounds`, by which a newer file of the same model is known; none in banks
    that were made without."""
    answered: Answered | None = None
    """The windows that came by answers of people, see `BankInfo.answers`; none where nobody answered."""

    @property
    def normal_scores(self) -> NDArray[np.float64]:
        """The leave-one-out scores of the references and, after them, of the windows that were left out, (windows,).

        They are infinite where nothing is left to compare with, and of windows that were `Answered.picked`.
        """
        return self.reference_scores if self.left_out is None else _joined(self.reference_scores, self.left_out)

    @property
    def normal_timeline(self) -> Timeline:
        """When the windows of `normal_scores` were heard."""
        timeline = self.references.timeline
        return timeline if self.left_out is None else timeline.with_more(self.left_out.timeline)

    @property
    def independent_windows(self) -> int:
        """The number of windows that were heard and of which no two share sound."""
        return self.normal_timeline.independent()

    @property
    def dependence(self) -> Dependence:
        """What windows that follow each other have in common."""
        return Dependence(self.info.correlation_s or self.info.hop_s, self.info.reach_s, self.info.correlation)

    @functools.cached_property
    def ranked(self) -> NormalScores:
        """The normal scores as the alarm's threshold is found among them.

        Raises:
            BankError: The bank is not ready.
        """
        if not self.ready:
            raise self.why_not_ready
        return NormalScores.of(self.normal_scores, self.normal_timeline, self.dependence)

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
        """The threshold that `percentile` of 100 normal windows stay under, by the Gamma fit of [ASP] section 2.3.

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
        value = self._gamma().threshold(percentile)
        ranked = self.ranked
        rank = ranked.rank_of(value)
        return Threshold(
            value=value,
            percentile=percentile,
            false_alarms=ranked.false_alarms(rank, rule, hop_s),
            windows=ranked.independent,
            extrapolated=ranked.beyond(rank),
        )

    def threshold_for(self, false_alarms_per_day: float, rule: AlarmRule, hop_s: float) -> Threshold:
        """The threshold with which a normal machine raises so many alarms a day, see `false_alarms`.

        Args:
            false_alarms_per_day: The number that is wished for.
            rule: The alarm that the threshold is for.
            hop_s: The time from one window to the next in seconds.

        Raises:
            BankError: The bank is not ready.
            InputError: No threshold fulfils the wish.
        """
        ranked = self.ranked
        rank = ranked.rank_for(false_alarms_per_day, rule, hop_s)
        return Threshold(
            value=ranked.value_at(rank),
            percentile=100.0 * (1.0 - rank / (ranked.independent + 1.0)),
            false_alarms=ranked.false_alarms(rank, rule, hop_s),
            windows=ranked.independent,
            extrapolated=ranked.beyond(rank),
        )

    def check_model(self, model_sha256: str, model: str, probe: Callable[[], FloatArray] | None = None) -> None:
        """Refuse a model other than the one that made this bank.

        Another file of the same model, such as that of a newer version of this program, is accepted where it gives the
        same embeddings for known sounds, within the limits of a certificate.

        Args:
            model_sha256: The digest of the model file.
            model: The model in words, for the message.
            probe: A function that embeds the known sounds, see `Bank.probe`.

        Raises:
            BankError: The bank was made with another model.
        """
        if model_sha256 == self.info.model_sha256:
            return
        files = f"model {model} ({model_sha256[:12]}), bank of {self.info.model} ({self.info.model_sha256[:12]})"
        before = self.probe
        found = None if probe is None or before is None else probe()
        apart = ""
        if found is not None and before is not None and found.shape == before.shape:
            certificate = Certificate.of(found, before)
            if certificate.within_limits:
                return
            apart = f"; on known sounds: {certificate}"
        raise BankError(
            "The bank was made with another model, whose embeddings cannot be compared with this one's.",
            got=files + apart,
            valid="the model that the bank was enrolled with"
            + (f", or another file of it ({LIMITS})" if apart else ""),
            next_step="give that model with --model, or enroll a new bank with this one (from kept sound: --input DIR)",
        )

    def save(self, path: str | Path) -> None:
        """Write the bank, whole or not at all.

        A symbolic link stays one, and what it leads to is written. Of a file with several names (hard links) only this
        name gets the new bank.

        Args:
            path: The path of the file; by custom its name ends in ``.npz``.

        Raises:
            BankError: The parts of the bank do not fit together, or the folder is missing or read-only, or the disk is
                full.
        """
        arrays = arrays_of(
            self.references, self.reference_scores, self.left_out, self.fitted, self.probe, self.answered
        )
        try:
            check_bank_arrays(self.info, arrays, self.fitted is not None)
        except (InputError, ValueError) as error:
            raise BankError(
                f"The bank is not saved, because {getattr(error, 'what', '') or error}.",
                got=path,
                valid="parts that fit together, and nothing that is no number",
                next_step="make the bank with make_bank; what lies at this path is what it was before",
            ) from error
        write_bank_file(Path(path), asdict(self.info) | {"fitted": self.fitted is not None}, arrays)

    @property
    def why_not_ready(self) -> BankError:
        """The error to raise for a bank that is not `ready`."""
        windows, missing = len(self.references), MIN_INDEPENDENT_WINDOWS - self.independent_windows
        if missing > 0:
            window_s = self.info.window_s
            return BankError(
                "The bank has too few windows for a threshold.",
                got=f"{counted(self.independent_windows, 'window')} that do not overlap ({windows} in all)",
                valid=f"{MIN_INDEPENDENT_WINDOWS} or more: {MIN_INDEPENDENT_WINDOWS * window_s:.0f} s of sound",
                next_step=f"add at least {missing * window_s:.0f} s with `asd-edge enroll --append`",
            )
        if self.fitted is None:
            return BankError(
                "The enrolment of this bank was cut off before it could learn from its windows.",
                got=f"{counted(windows, 'window')}, all kept, and no scorer '{self.info.scorer}' fitted to them",
                valid="an enrolment that came to its end; Ctrl-C is one, too",
                next_step="`asd-edge enroll --append`, from the same files or a minute more; or wait while it goes on",
            )
        return BankError(
            "The enrolled windows are all the same sound, so there is no spread to set a threshold from.",
            got=f"{counted(windows, 'window')} that are copies of each other",
            valid="a recording of a running machine, without copies of one clip",
            next_step="add real sound with `asd-edge enroll --append`",
        )

    def _gamma(self) -> GammaFit:
        shape, scale = self.info.gamma_shape, self.info.gamma_scale
        if shape is None or scale is None:
            raise self.why_not_ready
        return GammaFit(shape, scale)


def make_bank(
    info: BankInfo,
    references: References,
    left_out: LeftOut | None = None,
    probe: FloatArray | None = None,
    answered: Answered | None = None,
) -> Bank:
    """Learn from references: the scorer, the leave-one-out scores and, where there are enough windows, a threshold.

    Args:
        info: The bank's description; the fit and the threshold in it are replaced.
        references: The normal windows, at least one.
        left_out: More normal windows, which count for mean, deviation and threshold. Those that are held are scored
            again, and the scores of the others follow.
        probe: See `Bank.probe`.
        answered: See `Bank.answered`.

    Raises:
        InputError: There is no such scorer, or it cannot be fitted to these references.
    """
    bank = collected(info, references, left_out, probe, answered)
    if bank.independent_windows < MIN_INDEPENDENT_WINDOWS:
        return bank
    bank = _with_similarity(bank)
    info, references = bank.info, bank.references
    if left_out is None:
        fitted, as_in_asp = fit_scorer(info.scorer, references.taken_as_independent)
        _, scores = fit_scorer(info.scorer, references)
        if (sessions := sessions_of(references.timeline, answered)) is not None:
            scores = scored_by_others(info.scorer, references, sessions, scores)
        return with_scorer(bank, references, fitted, scores, None, as_in_asp)
    if not require_scorer(info.scorer).compares:  # it could not score the held windows without learning from them
        fitted, scores = fit_scorer(info.scorer, replace(references, others=left_out.moments))
        return with_scorer(bank, references, fitted, scores, left_out)
    every = left_out.with_references(references)
    fitted, scores = fit_scorer(info.scorer, every, np.arange(len(every)) < len(references))
    again = left_out.scored_again(scores[len(references) :])
    return with_scorer(bank, references, fitted, scores[: len(references)], again)


def collected(
    info: BankInfo,
    references: References,
    left_out: LeftOut | None = None,
    probe: FloatArray | None = None,
    answered: Answered | None = None,
) -> Bank:
    """Make a bank that has learned nothing yet, to be saved while an enrolment goes on."""
    info = replace(info, gamma_shape=None, gamma_scale=None, threshold=None)
    return Bank(info, references, left_out=left_out, probe=probe, answered=answered)


def with_scorer(
    bank: Bank,
    references: References,
    fitted: Scorer,
    scores: NDArray[np.float64],
    left_out: LeftOut | None,
    as_in_asp: NDArray[np.float64] | None = None,
) -> Bank:
    """Make a bank of what was learned, with the threshold that follows from it.

    Args:
        bank: The bank that it is made from.
        references: The windows to compare with.
        fitted: The scorer that was fitted to them.
        scores: (references,) their leave-one-out scores.
        left_out: The other normal windows, with their scores.
        as_in_asp: (references,) leave-one-out scores as in [ASP] section 2.3, to which the Gamma distribution is
            fitted; those of all windows where some were left out.
    """
    shape = scale = threshold = None
    if bank.answered is not None:
        scores = _of_a_fair_sample(scores, references.timeline, bank.answered)
        if left_out is not None:
            left_out = replace(left_out, scores=_of_a_fair_sample(left_out.scores, left_out.timeline, bank.answered))
    learned = replace(bank, references=references, fitted=fitted, reference_scores=scores, left_out=left_out)
    normal = learned.normal_scores
    fitted_to = normal if as_in_asp is None else as_in_asp
    if bank.answered is not None:
        fitted_to = _of_a_fair_sample(fitted_to, learned.normal_timeline, bank.answered)
    finite = fitted_to[np.isfinite(fitted_to)]
    if GammaFit.possible(finite):
        gamma = GammaFit.of(finite)
        shape, scale, threshold = gamma.shape, gamma.scale, gamma.threshold(DEFAULT_PERCENTILE)
    correlation = with_scores(bank.dependence, normal, learned.normal_timeline).correlation
    info = replace(bank.info, gamma_shape=shape, gamma_scale=scale, threshold=threshold, correlation=correlation)
    return replace(learned, info=info)


def _of_a_fair_sample(scores: NDArray[np.float64], timeline: Timeline, answered: Answered) -> NDArray[np.float64]:
    """The scores of windows, infinite for those that were picked by their scores."""
    return np.where(answered.picked_among(timeline), np.inf, scores)


def _with_similarity(bank: Bank) -> Bank:
    """The bank with how far its windows stay alike, measured on all that are held."""
    every = bank.references if bank.left_out is None else bank.left_out.with_references(bank.references)
    fair = every
    if bank.answered is not None:
        rows = np.flatnonzero(~bank.answered.picked_among(every.timeline))
        fair = replace(every.at(rows), others=every.others)
    found = similarity(fair)
    timeline = replace(bank.references.timeline, reach_s=found.reach_s)
    return replace(
        bank,
        info=replace(bank.info, reach_s=found.reach_s, correlation=found.correlation, correlation_s=found.hop_s),
        references=replace(bank.references, timeline=timeline),
    )


@checked
def load_bank(path: str | Path) -> Bank:
    """Read a bank and check every byte of its arrays.

    A bank of an older format is brought to the present one in memory; its file changes when it is saved.

    Args:
        path: The path of the file.

    Raises:
        BankError: The file is missing, cannot be read, is no bank, is damaged, of a format that is too old or too new,
            or made with a scorer that is not installed.
    """
    with open_bank_file(Path(path)) as (values, arrays):
        migrate(values, arrays)
        return _assemble(Path(path), values, arrays)


def _assemble(path: Path, values: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Bank:
    info = BankInfo.of(values)
    if info.scorer not in (names := scorer_names()):
        raise BankError(
            f"The bank was made with the scorer {info.scorer}, which is not installed here.",
            got=path,
            valid=f"a bank with one of {', '.join(names)}",
            next_step="install the package that brings this scorer, or enroll again with another --scorer",
        )
    is_fitted = values["fitted"]
    if not isinstance(is_fitted, bool):
        raise ValueError(f"whether it has a scorer is {is_fitted!r:.40}")
    check_bank_arrays(info, arrays, is_fitted)
    references = _references(info, arrays, "")
    left_out = fitted = None
    if "left_out_scores" in arrays:
        left_out = _left_out(info, arrays)
        left_out.with_references(references)  # fits together, or it is damage
    if is_fitted:
        fitted = require_scorer(info.scorer).restore(scorer_arrays(arrays), references)
    answered = _answered(info, arrays, references)
    return Bank(info, references, fitted, arrays["reference_scores"], left_out, arrays.get("probe"), answered)


def _answered(info: BankInfo, arrays: Mapping[str, NDArray[Any]], references: References) -> Answered | None:
    if not info.answers:
        return None
    rebuilds = references.reconstruction_errors is not None
    found = Answered.nothing(info.window_s, references.embeddings.shape[1], rebuilds)
    if "answered_numbers" in arrays:
        timeline = Timeline(arrays["answered_recordings"], arrays["answered_starts_s"], info.window_s)
        found = replace(
            found,
            numbers=arrays["answered_numbers"],
            timeline=timeline,
            picked=arrays["answered_picked"],
            sessions=arrays["answered_sessions"],
        )
    if "fault_numbers" in arrays:
        errors = arrays.get("fault_reconstruction_errors")
        if rebuilds != (errors is not None):
            raise ValueError("its faults and its references are of different models")
        found = replace(
            found,
            fault_numbers=arrays["fault_numbers"],
            faults=arrays["fault_embeddings"],
            fault_errors=errors,
        )
    return found


def _references(info: BankInfo, arrays: Mapping[str, NDArray[Any]], which: str, skip: int = 0) -> References:
    numbers = arrays[f"{which}recordings"][skip:]
    return References(
        arrays[f"{which}embeddings"],
        Timeline(numbers, arrays[f"{which}starts_s"][skip:], info.window_s, info.reach_s),
        domains_of(info.recordings, numbers),
        arrays.get(f"{which}reconstruction_errors"),
    )


def _left_out(info: BankInfo, arrays: Mapping[str, NDArray[Any]]) -> LeftOut:
    scores = arrays["left_out_scores"]
    timeline = Timeline(arrays["left_out_recordings"], arrays["left_out_starts_s"], info.window_s, info.reach_s)
    held = forgotten = None
    gone = len(scores) - len(arrays.get("left_out_embeddings", ()))
    if gone < len(scores):
        held = _references(info, arrays, "left_out_", gone)
    if "forgotten_mean" in arrays:
        forgotten = Moments(gone, arrays["forgotten_mean"], arrays["forgotten_squares"])
    return LeftOut(timeline, scores, held, forgotten)


def _joined(scores: NDArray[np.float64], left_out: LeftOut) -> NDArray[np.float64]:
    return np.concatenate([scores, left_out.scores])
