"""How often the drift watch is wrong on a steady machine, how soon it tells a change, and whether it names it right.

Steady months and slow drifts are simulated as embeddings. Everything else is sound, of simulated machines and, with
``--data``, of recorded ones, through a model.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.benchmarks.studies.quality.drift_scenes import (
    Heard,
    Scene,
    hear,
    machine_sound,
    recorded_scenes,
    simulated_scenes,
)
from asd_edge.benchmarks.studies.quality.false_alarms import HOP_S, bank_of, scores_by
from asd_edge.benchmarks.studies.quality.normal_processes import KINDS, Correlations, NormalProcess, WindowsEnrolled
from asd_edge.calibration.alarm_rate import DAY_S
from asd_edge.calibration.bank.bank import Bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.drift.drift_watch import Change, DriftWatch
from asd_edge.calibration.scorers.normalisation import Normalisation
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime import Model

_DAY = int(DAY_S / HOP_S)
_WEEK = 7 * _DAY
_HOUR = 360
_PIECE = 90
"""A month of sound is put together from pieces of so many windows of what was heard: a quarter of an hour."""
_HEARD_S = 2 * 3600.0
_FIRST_SEED = 100
"""The machines that the watch was made with have lower numbers."""


@settings
class DriftWatchSettings:
    """What is simulated, and which recordings are looked at."""

    days: Annotated[float, Setting("The days that a steady machine is listened to.", above=0.0, at_most=1000.0)] = 30.0
    enrolments: Annotated[
        int, Setting("The number of simulated machines of each kind.", at_least=1, at_most=10_000)
    ] = 4
    windows: WindowsEnrolled = (60, 360)
    correlations: Correlations = (0.0, 0.3, 0.5)
    machines: Annotated[
        int, Setting("The number of simulated machines that are heard as sound.", at_least=0, at_most=1000)
    ] = 4
    data: Annotated[
        tuple[Path, ...],
        Setting("A folder with recordings of one machine, half of which are enrolled; the option can be repeated."),
    ] = ()
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"


@dataclass(frozen=True)
class _Told:
    """What the watch told of a stream, and at which window."""

    at: int
    change: Change


def drift_watch(wanted: DriftWatchSettings) -> None:
    """False events of the drift watch on steady machines, its delays, and what it calls each kind of change."""
    say("Steady machines, as embeddings: events in all the time\n")
    print_table(
        ("normal sound", "windows", "correlation", "machines", "days each", "events", "machines with any"),
        _steady(wanted),
    )
    say("\nA slow drift in a random direction, as embeddings: days until it is told\n")
    print_table(("normal sound", "deviations a week", "mean", "most", "first named"), _drifts(wanted))
    if not (wanted.machines or wanted.data):
        return
    model = Model(wanted.model, "cpu")
    named: dict[tuple[str, str], list[list[_Told]]] = {}
    for seed in range(_FIRST_SEED, _FIRST_SEED + wanted.machines):
        for windows in wanted.windows:
            _simulated(model, seed, windows, wanted, named)
    if named:
        say("\nSimulated machines, as sound\n")
        print_table(_NAMES, _rows(named))
    for folder in wanted.data:
        recorded: dict[tuple[str, str], list[list[_Told]]] = {}
        for seed in range(wanted.enrolments):
            enrolled, scenes = recorded_scenes(model, folder, np.random.default_rng(seed))
            bank = _bank(enrolled, apart=True)
            for scene in scenes:
                recorded.setdefault((scene.what, scene.kind), []).append(_told_of(bank, scene))
        say(f"\n{folder.name}\n")
        print_table(_NAMES, _rows(recorded))


_NAMES = ("what changes", "right name", "named first", "all names", "minutes to the first")


def _steady(wanted: DriftWatchSettings) -> Iterator[tuple[str, ...]]:
    for correlation in wanted.correlations:
        for windows in wanted.windows:
            for number, kind in enumerate(KINDS):
                events = []
                for seed in range(wanted.enrolments):
                    process = NormalProcess(kind, 1000 * number + _FIRST_SEED + seed, correlation**0.5)
                    bank = bank_of(process.windows(windows))
                    events.append(len(_watched(bank, _stretches(process, int(wanted.days * _DAY)))))
                yield (
                    kind,
                    f"{windows}",
                    f"{correlation:g}",
                    f"{wanted.enrolments}",
                    f"{wanted.days:g}",
                    f"{sum(events)}",
                    f"{np.count_nonzero(events)}",
                )


def _drifts(wanted: DriftWatchSettings) -> Iterator[tuple[str, ...]]:
    for per_week in (1.0, 0.3):
        for number, kind in enumerate(KINDS):
            days, names = [], Counter[str]()
            for seed in range(wanted.enrolments):
                process = NormalProcess(kind, 1000 * number + _FIRST_SEED + seed)
                bank = bank_of(process.windows(wanted.windows[0]))
                deviation = process.windows(_DAY).std(axis=0)
                way = process.direction() * np.sqrt(len(deviation)) * deviation * per_week
                told = _watched(bank, _stretches(process, int(14 / per_week**0.5 * _DAY), way), stop=True)
                names[told[0].change.kind if told else "nothing"] += 1
                days.append(told[0].at / _DAY if told else np.inf)
            yield kind, f"{per_week:g}", f"{np.mean(days):.1f}", f"{max(days):.1f}", _counts(names)


def _stretches(process: NormalProcess, count: int, way: FloatArray | None = None) -> Iterator[FloatArray]:
    """So many windows in stretches of a day, which move along a way once a week."""
    for start in range(0, count, _DAY):
        windows = process.windows(min(_DAY, count - start))
        if way is not None:
            windows = windows + ((start + np.arange(len(windows))) / _WEEK)[:, None].astype(np.float32) * way
        yield windows


def _watched(bank: Bank, stretches: Iterator[FloatArray], stop: bool = False) -> list[_Told]:
    """What the watch tells of embeddings; with `stop` no more than the first."""
    watch, told, at = DriftWatch(bank, HOP_S), [], 0
    for embeddings in stretches:
        for embedding, score in zip(embeddings, scores_by(bank, embeddings).tolist(), strict=True):
            at += 1
            told += [_Told(at, change) for change in watch.add(embedding, score)]
        if told and stop:
            break
    return told


def _bank(heard: Heard, apart: bool = False) -> Bank:
    """Enroll windows that were heard, with the levels of their bands."""
    count = len(heard)
    numbers, starts_s = np.zeros(count, np.int32), HOP_S * np.arange(count, dtype=np.float64)
    if apart:
        numbers, starts_s = np.arange(count, dtype=np.int32), np.zeros(count)
    info = BankInfo(
        "0" * 64,
        "simulated",
        HOP_S,
        HOP_S,
        band_levels_db=tuple(np.round(heard.levels_db.mean(axis=0), 1).tolist()),
        level_deviation_db=float(heard.levels_db.mean(axis=1).std()),
    )
    return make_bank(info, References(heard.embeddings, Timeline(numbers, starts_s, HOP_S), np.full(count, "")))


def _told_of(bank: Bank, scene: Scene) -> list[_Told]:
    """What the watch tells of a scene, in windows since its change."""
    watch, told = DriftWatch(bank, HOP_S), []
    scores = scores_by(bank, scene.heard.embeddings)
    for at, (embedding, score, levels_db) in enumerate(
        zip(scene.heard.embeddings, scores.tolist(), scene.heard.levels_db, strict=True)
    ):
        told += [_Told(at + 1 - scene.changes_at, change) for change in watch.add(embedding, score, levels_db)]
    return told


def _simulated(
    model: Model,
    seed: int,
    windows: int,
    wanted: DriftWatchSettings,
    named: dict[tuple[str, str], list[list[_Told]]],
) -> None:
    """Enroll a simulated machine, and note what the watch says in each scene."""
    enrolled = hear(model, machine_sound(seed, 0, HOP_S * windows))
    bank = _bank(enrolled)
    steady = hear(model, machine_sound(seed, 1, _HEARD_S))
    scenes = list(simulated_scenes(model, seed, steady))
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, len(steady) - _PIECE, int(wanted.days * _DAY / _PIECE))
    month = steady.at((starts[:, None] + np.arange(_PIECE)).reshape(-1))
    scenes.append(Scene(f"nothing, for {wanted.days:g} days", "nothing", month, 0))
    deviation = Normalisation.of(steady.embeddings).deviation
    fault = scenes[-2].heard.embeddings[-_HOUR:].mean(axis=0) - steady.embeddings.mean(axis=0)
    way = fault / np.sqrt(np.mean(np.square(fault / deviation)))
    week = month.at(np.arange(min(len(month), _WEEK)))
    moving = week.embeddings + (np.arange(len(week)) / _WEEK)[:, None].astype(np.float32) * way
    scenes.append(Scene("towards the bearing fault, a deviation a week", "drift", Heard(moving, week.levels_db), 0))
    scenes.append(Scene("4 dB louder in a week", "drift", _louder(week, 4.0), 0))
    for scene in scenes:
        named.setdefault((scene.what, scene.kind), []).append(_told_of(bank, scene))


def _louder(heard: Heard, decibels: float) -> Heard:
    """The same windows, louder by so much at the end, evenly."""
    more: NDArray[np.float64] = np.linspace(0.0, decibels, len(heard))[:, None]
    return Heard(heard.embeddings, (heard.levels_db + more).astype(np.float32))


def _rows(named: dict[tuple[str, str], list[list[_Told]]]) -> Iterator[tuple[str, ...]]:
    for (what, kind), all_told in named.items():
        after = [[each for each in told if each.at > 0] for told in all_told]
        early = sum(len(told) - len(later) for told, later in zip(all_told, after, strict=True))
        first = Counter[str](told[0].change.kind if told else "nothing" for told in after)
        every = Counter[str](each.change.kind for told in after for each in told)
        minutes = [told[0].at * HOP_S / 60.0 for told in after if told]
        delay = f"{np.mean(minutes):.0f}, at most {max(minutes):.0f}" if minutes else "-"
        more = f"; {early} before the change" if early else ""
        yield what, f"{kind}: {first[kind]} of {len(after)}", _counts(first), _counts(every) + more, delay


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "-"
