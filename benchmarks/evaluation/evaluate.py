"""How well faults are found on recordings: each machine enrolled and scored the very way that runs on the device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from asd_edge.benchmarks.evaluation.page import write_page
from asd_edge.benchmarks.evaluation.results import Evaluation, MachineResult, write_evaluation
from asd_edge.benchmarks.evaluation.settings import EvaluatedModels, EvaluateSettings
from asd_edge.benchmarks.evaluation.usable_clips import UsableClips, of_split, require_labels
from asd_edge.calibration.atomic_files import write_folder
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.clip_threshold import clip_threshold
from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.dcase.data_set import Clip, read_data_set
from asd_edge.calibration.dcase.measures import ScoredClip
from asd_edge.calibration.dcase.submission import read_scored
from asd_edge.calibration.dcase.summary import describe_data_set
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.registry import check_can_fit
from asd_edge.calibration.value_types import checked
from asd_edge.calibration.wording import counted
from asd_edge.runtime import EnrollSettings, FileSource, Model, Progress, Score, ScoreSettings, enroll, score_files

log = logging.getLogger(__name__)


@checked
def evaluate(
    settings: EvaluateSettings,
    models: EvaluatedModels | Model | Mapping[str, Model] | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[Evaluation, ...]:
    """Measure how well faults are found on recordings, or by scores that are there already.

    Each machine of a data set is enrolled from its training clips, and its test clips are scored. The logger
    ``asd_edge.benchmarks.evaluation`` says what was found, and when a machine is done.

    Args:
        settings: What to evaluate, and how clips are treated. The output is a new folder for ``results.json``,
            ``result.csv``, the challenge's CSV files, ``banks/`` and ``report.html``; with several scorers, each has a
            folder of its own in it, beside the one page.
        models: What to embed with: which model, or one that is started, for all machines or by machine. Every window is
            embedded once, however many scorers there are. Left out, it is the model inside the package.
        progress: Called with how far it is, often.

    Returns:
        One evaluation for each scorer.

    Raises:
        InputError: The data set does not fit the layout, a machine has too few training clips, or its test clips do not
            tell normal from anomalous though they have labels; a file cannot be read; scores and ground truth do not
            fit together; or the output cannot be written.
    """
    if settings.banks:
        raise InputError(
            "Banks with known faults are evaluated by another function.",
            got=", ".join(map(str, settings.banks)),
            valid="recordings, or scores with their ground truth",
            next_step="call evaluate_banks(settings)",
        )
    if settings.data_dir is None:
        return (_evaluate_scores(settings),)
    if models is None:
        models = EvaluatedModels()
    started = models.start() if isinstance(models, EvaluatedModels) else models
    return _evaluate_recordings(settings.data_dir, started, settings, progress or (lambda _: None))


def _evaluate_recordings(
    folder: Path, model: Model | Mapping[str, Model], settings: EvaluateSettings, progress: Callable[[str], None]
) -> tuple[Evaluation, ...]:
    whole = read_data_set(folder)
    models = {machine: _model_of(machine, model) for machine in whole}
    first = next(iter(models.values()))
    scorers = tuple(dict.fromkeys(settings.scorers or (first.info.scorer,)))
    for each in models.values():
        for scorer in scorers:
            check_can_fit(scorer, each.info.reconstruction, settings.max_references)
    with write_folder(settings.output) as work:
        usable = UsableClips(settings, progress)
        data_set = {
            machine: usable.of(machine, clips, models[machine].info.samples) for machine, clips in whole.items()
        }
        log.info(describe_data_set(data_set))
        places = {scorer: work if len(scorers) == 1 else work / scorer for scorer in scorers}
        found: dict[str, dict[str, MachineResult]] = {scorer: {} for scorer in scorers}
        for machine, clips in data_set.items():
            remembering = Remembering(models[machine])
            for scorer, place in places.items():
                (place / "banks").mkdir(parents=True, exist_ok=True)
                bank = _enroll(clips, remembering, place / "banks" / f"{machine}.npz", scorer, settings, progress)
                result = _score(whole[machine], clips, remembering, bank, settings, progress)
                found[scorer][machine] = result
            log.info("%s: %d clips enrolled, %d scored", machine, result.train_clips, len(result.clips))
        described = first.description if isinstance(model, Model) else f"{first.info.recipe}, one for each machine"
        words = {"data": str(folder), "model": described, "provider": first.provider, **settings.in_words()}
        evaluations = tuple(Evaluation(scorer, words, machines) for scorer, machines in found.items())
        for evaluation in evaluations:
            write_evaluation(evaluation, places[evaluation.method])
        write_page(evaluations, work / "report.html")
    return evaluations


def _evaluate_scores(settings: EvaluateSettings) -> Evaluation:
    """Evaluate what a system handed in to the challenge."""
    if settings.scores is None or settings.ground_truth is None:
        raise ValueError("settings have either recordings, or scores with their ground truth")
    with write_folder(settings.output) as work:
        clips = read_scored(settings.scores, settings.ground_truth)
        types = [machine for machine, _ in clips]
        machines = {
            name: MachineResult(name, key, found)
            for key, found in clips.items()
            if (name := key[0] if types.count(key[0]) == 1 else f"{key[0]}_{key[1][-2:]}")
        }
        words = {"scores": str(settings.scores), "ground_truth": str(settings.ground_truth)}
        evaluation = Evaluation(settings.scores.resolve().name, words, machines)
        write_evaluation(evaluation, work)
        write_page([evaluation], work / "report.html")
    return evaluation


def _model_of(machine: str, model: Model | Mapping[str, Model]) -> Model:
    if isinstance(model, Model):
        return model
    if machine not in model:
        raise InputError(
            "There is no model for this machine.",
            got=machine,
            valid=f"one for each machine; there are: {', '.join(model) or 'none'}",
            next_step=f"add {machine}.onnx to the folder of models, or give one model for all",
        )
    return model[machine]


def _hop_s(paths: Sequence[Path], model: Model, settings: EvaluateSettings) -> float:
    """Tell the hop: the window, or as long as the longest clip where only the first window counts."""
    return model.info.window_s if settings.long == "windows" else max(model.info.window_s, FileSource(paths).longest_s)


def _enroll(
    clips: Sequence[Clip],
    model: Model,
    path: Path,
    scorer: str,
    settings: EvaluateSettings,
    progress: Callable[[str], None],
) -> Bank:
    machine = clips[0].machine
    paths = [clip.path for clip in of_split(clips, "train")]

    def show(now: Progress) -> None:
        progress(f"{machine}: {now.heard_s:.0f} of {now.total_s:.0f} s enrolled for {scorer}")

    wish = EnrollSettings(
        path,
        hop_s=_hop_s(paths, model, settings),
        channel=settings.channel,
        name=machine,
        scorer=scorer,
        max_references=settings.max_references,
    )
    report = enroll(FileSource(paths), model, wish, show)
    if report.interrupted:
        raise KeyboardInterrupt  # part of the clips is no fair bank
    if report.refused:
        told = ", ".join(f"{count} x {reason}" for reason, count in report.refused.items())
        log.warning("%s: windows of training clips that were not enrolled: %s", machine, told)
    bank = report.bank
    if not bank.ready:
        raise InputError(
            "The machine has too few training clips for a threshold.",
            got=f"{machine}: {counted(bank.independent_windows, 'window')} of {bank.info.window_s:g} s",
            valid=f"{MIN_INDEPENDENT_WINDOWS} or more",
            next_step="add training clips, or move this machine out of the folder",
        )
    return bank


def _score(
    whole: Sequence[Clip],
    clips: Sequence[Clip],
    model: Model,
    bank: Bank,
    settings: EvaluateSettings,
    progress: Callable[[str], None],
) -> MachineResult:
    """Score the clips that can be used of a machine's `whole` data."""
    machine, test = clips[0].machine, of_split(clips, "test")
    paths = [clip.path for clip in test]
    windows: dict[str, list[Score]] = {str(path): [] for path in paths}
    unknown: dict[str, str] = {}
    hop_s = _hop_s(paths, model, settings)
    for item in score_files(paths, model, bank, ScoreSettings(hop_s, channel=settings.channel)):
        if isinstance(item, Score):
            windows[item.source].append(item)
        elif item.event == "not_finite":
            unknown[item.source] = item.reason
        progress(
            f"{machine}: {sum(map(bool, windows.values()))} of {counted(len(test), 'clip')} "
            f"scored by {bank.info.scorer}"
        )
    # A window without a score may be the anomalous one: a clip with such a window has no rank among the others.
    scored = [clip for clip in test if windows[str(clip.path)] and str(clip.path) not in unknown]
    for path, reason in unknown.items():
        log.warning("%s: %s is not scored by %s: %s", machine, Path(path).name, bank.info.scorer, reason)
    if deaf := len(test) - len(scored) - len(unknown):
        log.info("%s: %d clips not scored, because the sensor did not work in them", machine, deaf)
    _require_scored(machine, scored, unknown)
    require_labels(machine, scored)
    lengths = [len(windows[str(clip.path)]) for clip in scored]
    thresholds = {length: clip_threshold(bank, length) for length in set(lengths)}
    return MachineResult(
        machine=machine,
        key=(test[0].machine_type, test[0].section_name),
        clips=tuple(
            _scored_clip(clip, windows[str(clip.path)], thresholds[length])
            for clip, length in zip(scored, lengths, strict=True)
        ),
        levels_dbfs=tuple(max(window.level_dbfs for window in windows[str(clip.path)]) for clip in scored),
        train_clips=len(of_split(clips, "train")),
        threshold=thresholds[max(thresholds, key=lengths.count)],
        not_scored=tuple(clip.path.name for clip in of_split(whole, "test") if clip not in scored),
    )


def _require_scored(machine: str, scored: Sequence[Clip], unknown: Mapping[str, str]) -> None:
    if not scored:
        raise InputError(
            "None of the machine's test clips can be scored.",
            got=f"{machine}: {next(iter(unknown.values()), 'the sensor did not work in any of them')}",
            valid="clips of which the model makes finite numbers",
            next_step="try another model or another precision, or move this machine out of the folder",
        )


def _scored_clip(clip: Clip, windows: Sequence[Score], threshold: float) -> ScoredClip:
    score = max(window.score for window in windows)
    return ScoredClip(clip.path.name, clip.domain, clip.label, score, score > threshold)


class Remembering(Model):
    """The same model, which computes each window once however many scorers ask for it."""

    def __init__(self, model: Model) -> None:
        vars(self).update(vars(model))  # one session serves both
        self._known: dict[bytes, ModelOutput] = {}

    def embed(self, samples: FloatArray) -> ModelOutput:
        """Embed one window, or remember it."""
        digest = blake2b(samples.tobytes()).digest()
        if digest not in self._known:
            self._known[digest] = super().embed(samples)
        return self._known[digest]
