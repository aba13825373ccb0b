"""Quality on recordings with labels, by the measures of DCASE Task 2, of the very way that runs on the device."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asd_edge.calibration.bank import Bank
from asd_edge.calibration.dcase import Clip, Domain, read_data_set
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.metrics import auc, harmonic_mean, pauc
from asd_edge.calibration.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.runtime import EnrollSettings, FileSource, Model, Progress, Score, enroll, score_files

if TYPE_CHECKING:
    from rich.table import Table


_COLUMNS = ("train", "test", "AUC\nsource", "AUC\ntarget", "pAUC", "mean", "prec.", "recall", "F1", "level\nAUC")


@dataclass(frozen=True)
class MachineResult:
    """How well the faults of one machine are found; areas and rates lie between 0 and 1."""

    train_clips: int
    normal_clips: int
    """of the test"""
    anomaly_clips: int
    not_scored: int
    """test clips in which the sensor did not work; they count nowhere else"""
    auc_source: float | None
    """the source domain's normal clips against all anomalies; none where the domain has no normal clips"""
    auc_target: float | None
    pauc: float
    """partial AUC up to a false positive rate of 0.1, both domains pooled"""
    harmonic_mean: float
    """of the AUCs that there are and the pAUC"""
    threshold: float
    """the bank's, at the 90th percentile of normal scores"""
    precision: float
    """at that threshold; 0 where nothing exceeds it"""
    recall: float
    f1: float
    loudness_auc: float
    """what the level of a clip alone would reach, louder being more anomalous"""

    @property
    def areas(self) -> tuple[float, ...]:
        """The AUCs that there are and the pAUC: what Ω is the harmonic mean of."""
        return tuple(area for area in (self.auc_source, self.auc_target, self.pauc) if area is not None)


@dataclass(frozen=True)
class Evaluation:
    """How well faults are found on a data set."""

    official_score: float
    """Ω: harmonic mean of all machines' AUCs and pAUCs"""
    model: str
    provider: str
    machines: dict[str, MachineResult]


def evaluate(
    folder: str | Path,
    model: Model,
    progress: Callable[[str], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Enroll each machine of a data set from its training clips and score its test clips.

    A clip's score is the largest of its windows.

    Args:
        folder: A data set in the layout of DCASE Task 2.
        model: What to embed with.
        progress: Called with how far it is, often.
        tell: Called with a sentence when a machine is done.

    Raises:
        InputError: The folder does not fit the layout, a machine has too few training clips or lacks normal or
            anomalous test clips, or a file cannot be read.
    """
    progress, tell = progress or _ignore, tell or _ignore
    data_set = read_data_set(folder)
    for machine, clips in data_set.items():
        _check(machine, clips)
    results: dict[str, MachineResult] = {}
    for machine, clips in data_set.items():
        results[machine] = result = _evaluate_machine(machine, clips, model, progress)
        tell(f"{machine}: {result.train_clips} clips enrolled, {result.normal_clips + result.anomaly_clips} scored")
        if result.not_scored:
            tell(f"{machine}: {result.not_scored} clips not scored, because the sensor did not work in them")
    areas = [area for result in results.values() for area in result.areas]
    return Evaluation(harmonic_mean(areas), model.description, model.provider, results)


def _check(machine: str, clips: Sequence[Clip]) -> None:
    """Find out before the work begins whether a machine's clips suffice."""
    sections = sorted({clip.section for clip in clips})
    if len(sections) > 1:
        raise InputError(
            "The machine has several sections, which are machines of their own.",
            got=f"{machine}: sections {', '.join(f'{section:02d}' for section in sections)}",
            valid="one section for each machine",
            next_step="give each section a folder of its own, such as fan_00/{train,test}",
        )
    _require_both(machine, [clip for clip in clips if clip.split == "test"])


def _require_both(machine: str, clips: Sequence[Clip]) -> None:
    anomalies = sum(clip.label == "anomaly" for clip in clips)
    if not 0 < anomalies < len(clips):
        raise InputError(
            "The machine's test clips do not tell normal from anomalous.",
            got=f"{machine}: {len(clips) - anomalies} normal and {anomalies} anomalous clips that can be scored",
            valid="at least one of each in its test folder",
            next_step="add some, or move this machine out of the folder",
        )


def _evaluate_machine(
    machine: str, clips: Sequence[Clip], model: Model, progress: Callable[[str], None]
) -> MachineResult:
    train = [clip for clip in clips if clip.split == "train"]
    test = [clip for clip in clips if clip.split == "test"]
    bank = _enroll(machine, train, model, progress)
    windows: dict[str, list[Score]] = {str(clip.path): [] for clip in test}
    for item in score_files([clip.path for clip in test], model, bank):
        if isinstance(item, Score):
            windows[item.source].append(item)
        progress(f"{machine}: {sum(map(bool, windows.values()))} of {len(test)} clips scored")
    scored = [_ScoredClip(clip, found) for clip in test if (found := windows[str(clip.path)])]
    _require_both(machine, [each.clip for each in scored])
    return _measure(scored, len(train), len(test) - len(scored))


def _enroll(machine: str, clips: Sequence[Clip], model: Model, progress: Callable[[str], None]) -> Bank:
    def show(now: Progress) -> None:
        progress(f"{machine}: {now.heard_s:.0f} of {now.total_s:.0f} s enrolled")

    with tempfile.TemporaryDirectory() as temporary:
        settings = EnrollSettings(Path(temporary) / "bank.npz", hop_s=model.info.window_s, name=machine)
        bank = enroll(FileSource([clip.path for clip in clips]), model, settings, show).bank
    if not bank.ready:
        raise InputError(
            "The machine has too few training clips for a threshold.",
            got=f"{machine}: {bank.independent_windows} windows of {bank.info.window_s:g} s",
            valid=f"{MIN_INDEPENDENT_WINDOWS} or more",
            next_step="add training clips, or move this machine out of the folder",
        )
    return bank


@dataclass(frozen=True)
class _ScoredClip:
    """A test clip and the scores of its windows, at least one."""

    clip: Clip
    windows: Sequence[Score]

    @property
    def score(self) -> float:
        return max(window.score for window in self.windows)

    @property
    def level_dbfs(self) -> float:
        return max(window.level_dbfs for window in self.windows)

    @property
    def detected(self) -> bool:
        return any(window.decision == "anomaly" for window in self.windows)


def _measure(scored: Sequence[_ScoredClip], train_clips: int, not_scored: int) -> MachineResult:
    normal = [each for each in scored if each.clip.label == "normal"]
    anomalous = [each for each in scored if each.clip.label == "anomaly"]
    anomalous_scores = [each.score for each in anomalous]

    def domain_auc(domain: Domain) -> float | None:
        scores = [each.score for each in normal if each.clip.domain == domain]
        return auc(scores, anomalous_scores) if scores else None

    true_positives = sum(each.detected for each in anomalous)
    detected = sum(each.detected for each in scored)
    auc_source, auc_target = domain_auc("source"), domain_auc("target")
    pooled = pauc([each.score for each in normal], anomalous_scores)
    return MachineResult(
        train_clips=train_clips,
        normal_clips=len(normal),
        anomaly_clips=len(anomalous),
        not_scored=not_scored,
        auc_source=auc_source,
        auc_target=auc_target,
        pauc=pooled,
        harmonic_mean=harmonic_mean([area for area in (auc_source, auc_target, pooled) if area is not None]),
        threshold=scored[0].windows[0].threshold,
        precision=true_positives / detected if detected else 0.0,
        recall=true_positives / len(anomalous),
        f1=2 * true_positives / (detected + len(anomalous)),
        loudness_auc=auc([each.level_dbfs for each in normal], [each.level_dbfs for each in anomalous]),
    )


def evaluation_json(evaluation: Evaluation) -> str:
    """One JSON object with the fields of `Evaluation` and, for each machine, those of `MachineResult`."""
    return json.dumps(asdict(evaluation))


def evaluation_table(evaluation: Evaluation) -> Table:
    """A row for each machine, with test clips as normal + anomalous, and Ω in the last."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 0, 0, 1))
    table.add_column("machine", no_wrap=True)
    for heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for machine, result in evaluation.machines.items():
        values = (
            result.auc_source,
            result.auc_target,
            result.pauc,
            result.harmonic_mean,
            result.precision,
            result.recall,
            result.f1,
            result.loudness_auc,
        )
        clips = (str(result.train_clips), f"{result.normal_clips}+{result.anomaly_clips}")
        table.add_row(machine, *clips, *("-" if value is None else f"{value:.3f}" for value in values))
    table.add_row("Ω", *[""] * 5, f"{evaluation.official_score:.3f}", style="bold")
    return table


def _ignore(_: str) -> None:
    pass
