"""What this device can do: every combination of model, provider, batch and threads, measured in one run."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from asd_edge.benchmarks.bench.measures.capacity import microphones_carried
from asd_edge.benchmarks.bench.measures.execution import Execution
from asd_edge.benchmarks.bench.measures.quality import measure_quality
from asd_edge.benchmarks.bench.measures.subjects import REFERENCES, Subject, chosen_precisions, load_subjects
from asd_edge.benchmarks.bench.measures.timing import energy_of, parts_of, time_all
from asd_edge.benchmarks.bench.page import write_page
from asd_edge.benchmarks.bench.plan import LeftOut, combinations
from asd_edge.benchmarks.bench.results import Areas, Bench, Latency, Result, write_bench
from asd_edge.benchmarks.bench.settings import BenchSettings
from asd_edge.benchmarks.evaluation.evaluate import evaluate
from asd_edge.benchmarks.evaluation.settings import EvaluateSettings
from asd_edge.benchmarks.probes.host import host_facts, versions
from asd_edge.benchmarks.probes.process_start import FreshStart, Start, start_all
from asd_edge.benchmarks.probes.processes import memory_is_told
from asd_edge.calibration.atomic_files import write_folder
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.calibration.wording import counted
from asd_edge.runtime import Model
from asd_edge.runtime.inference.providers import available_providers, require_installed

_MOST_STARTS = 5
_LEAST_PER_START_S = 4.0
"""So many seconds of the duration stand for one start of a process."""
_IMPORTING_S = 0.2
"""What imports take of the start of a process, about."""

_NO_MEMORY = "psutil, which reads it, is not installed, or this is not Linux"

Progress = Callable[[str, float], None]


def bench(
    settings: BenchSettings,
    progress: Progress | None = None,
) -> Bench:
    """Measure what this device can do.

    Args:
        settings: What to measure, and how long. The output is a new folder for ``bench.json`` and ``report.html``, and
            for the evaluations of recordings.
        progress: Called often, with what goes on and how many seconds are left, about.

    Raises:
        InputError: A model cannot be read, none of the combinations runs here, or the output cannot be written.
    """
    progress = progress or (lambda _, __: None)
    with write_folder(settings.output) as work:
        subjects = load_subjects(settings, lambda what: progress(what, 0.0))
        executions, left_out = _load(settings, subjects, progress)
        areas = _evaluate(executions, subjects, settings, work, progress)
        later_s = settings.duration_s * len(executions)
        rounds = _rounds_of_starts(executions, settings.duration_s)
        starting_s = (1 + rounds) * sum(_IMPORTING_S + each.load_s + each.first_s for each in executions)
        timed = time_all(
            executions, settings.duration_s, lambda left_s: progress("timing", left_s + starting_s + later_s)
        )
        starts = {}
        try:
            progress(f"starting processes, {counted(rounds, 'round')}", starting_s + later_s)
            starts = _start(executions, subjects, settings.cache, rounds)
        except RuntimeError as error:
            left_out.append(LeftOut("start to first score", f"{error}"))
        if not memory_is_told():
            left_out.append(LeftOut("memory of a fresh process", _NO_MEMORY, "pip install 'asd-edge[measure]'"))
        references = {label: each.reference for label, each in subjects.items() if each.reference is not None}
        infos = {label: each.info for label, each in subjects.items()}
        results = []
        for number, (execution, took) in enumerate(zip(executions, timed.took, strict=True)):
            chosen = execution.combination
            progress(f"{chosen.name}: adding microphones", later_s - number * settings.duration_s)
            latency = Latency.of([each.total_s for each in took])
            results.append(
                Result(
                    combination=chosen,
                    nodes=execution.nodes,
                    notes=tuple(execution.notes),
                    load_s=execution.load_s,
                    first_s=execution.first_s,
                    latency=latency,
                    parts=parts_of(execution, took),
                    microphones=microphones_carried(
                        execution, latency.median_s, chosen.batch, settings.hop_s, settings.duration_s
                    ),
                    start=starts.get((chosen.model, chosen.provider, chosen.threads)),
                    energy=energy_of(execution, settings.duration_s),
                    quality=measure_quality(chosen.model, execution.embed(), infos, references),
                    areas=areas.get((chosen.model, chosen.provider)),
                )
            )
        found = Bench(
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            device=host_facts(),
            versions=versions(),
            duration_s=settings.duration_s,
            hop_s=settings.hop_s,
            references=REFERENCES,
            rounds=timed.kept,
            disturbed=timed.disturbed,
            quiet=timed.quiet,
            models={label: each.file for label, each in subjects.items()},
            results=tuple(results),
            left_out=tuple(left_out),
        )
        write_bench(found, work / "bench.json")
        write_page(found, work / "report.html")
    return found


def _load(
    settings: BenchSettings, subjects: Mapping[str, Subject], progress: Progress
) -> tuple[list[Execution], list[LeftOut]]:
    """Load every combination that exists here, and say why others do not.

    Raises:
        InputError: No combination exists here.
    """
    precisions, left_out = chosen_precisions(settings, subjects)
    executions: list[Execution] = []
    refused: ModelError | None = None
    installed = []
    for provider in dict.fromkeys(settings.providers or available_providers()):
        try:
            require_installed(provider)
            installed.append(provider)
        except ModelError as error:
            left_out.append(LeftOut(provider, error.what, error.next_step))
            refused = refused or error
    for chosen in combinations(settings, precisions, installed):
        progress(f"loading {chosen.name}", 0.0)
        subject = subjects[chosen.model]
        scorer = subject.bank.scorer()
        try:
            executions.append(Execution(chosen, subject.path, scorer, subject.windows, settings.cache))
        except ModelError as error:
            left_out.append(LeftOut.because(chosen.name, error))
            refused = refused or error
    if refused is not None and not executions:
        raise refused
    return executions, left_out


def _rounds_of_starts(executions: Sequence[Execution], duration_s: float) -> int:
    per_start_s = max(_LEAST_PER_START_S, *(execution.load_s for execution in executions))
    return max(1, min(_MOST_STARTS, int(duration_s / per_start_s)))


def _start(
    executions: Sequence[Execution], subjects: Mapping[str, Subject], cache: bool, rounds: int
) -> dict[tuple[str, str, int], FreshStart]:
    """From nothing to the first score, by model, provider and threads."""
    starts: dict[tuple[str, str, int], Start] = {}
    with tempfile.TemporaryDirectory() as folder:
        banks = {label: Path(folder) / f"{number}.npz" for number, label in enumerate(subjects)}
        for label, bank in banks.items():
            subjects[label].bank.save(bank)
        for execution in executions:
            chosen = execution.combination
            starts[chosen.model, chosen.provider, chosen.threads] = Start.of_model(
                chosen.name,
                execution.path,
                chosen.provider,
                chosen.threads,
                cache=cache,
                bank=banks[chosen.model],
            )
        start_all(list(starts.values()), rounds)
    return {key: FreshStart.of(start) for key, start in starts.items()}


def _evaluate(
    executions: Sequence[Execution],
    subjects: Mapping[str, Subject],
    settings: BenchSettings,
    work: Path,
    progress: Progress,
) -> dict[tuple[str, str], Areas]:
    """How well faults are found on recordings, by model and provider."""
    if settings.data is None:
        return {}
    areas = {}
    later_s = 2.0 * settings.duration_s * len(executions)
    chosen = dict.fromkeys((each.combination.model, each.combination.provider) for each in executions)
    for number, (label, provider) in enumerate(chosen):
        progress(f"evaluating {label} on {provider}", later_s)
        model = Model(subjects[label].path, provider, cache=settings.cache)
        folder = work / f"evaluation_{number + 1}"
        (evaluation,) = evaluate(EvaluateSettings(folder, settings.data), model)
        if evaluation.official_score is None:
            raise InputError(
                "The test clips have no labels, so there is no AUC.",
                got=settings.data,
                valid="recordings whose names tell normal from anomalous",
                next_step="leave --data away",
            )
        auc = statistics.harmonic_mean([measures.auc for measures in evaluation.measures.values()])
        areas[label, provider] = Areas(folder.name, auc, evaluation.official_score)
    return areas
