"""What a shadow day is worth: alarms on the days after it, on recordings of a machine that is well, over several days.

One day is enrolled, another is listened to in shadow and confirmed, and every other day is then listened to, as the
program does all of it. Each choice of the days is made.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Annotated

import numpy as np

from asd_edge.benchmarks.evaluation.evaluate import Remembering
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.console import say
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.calibration.wording import counted
from asd_edge.runtime import (
    EnrollSettings,
    FeedbackSettings,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    Score,
    enroll,
    feedback,
    listen,
    load_bank,
)

_DAY = re.compile(r"(?<!\d)(20\d{6})(?!\d)")
"""The day in the name of a recording."""
_FEWEST_DAYS = 3
_ALL_OF_A_DAY_S = 86_400.0


@settings
class ShadowDaysSettings:
    """Which recordings are listened to."""

    data: Annotated[
        Path, Setting("A folder of recordings of one machine that is well, with the day (20260327) in their names.")
    ]
    rule: Annotated[AlarmRule, Setting("The rule of the alarm, k/n.", option="--alarm", parse=AlarmRule.parse)] = (
        AlarmRule()
    )
    wish: Annotated[float, Setting("The false alarms a day that are wished for.", above=0.0, at_most=1000.0)] = 1.0
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"


@dataclass(frozen=True)
class Heard:
    """What was heard on one day."""

    alarms: int
    """how often the alarm went on"""
    exceedance: float
    """the share of windows above the threshold"""


def shadow_days(wanted: ShadowDaysSettings) -> None:
    """Alarms on later days with and without a shadow day, for every choice of the days."""
    days = _days(wanted.data)
    model = Remembering(Model(wanted.model, "cpu"))
    rows, every = [], []
    with tempfile.TemporaryDirectory() as folder:
        for first, second in permutations(days, 2):
            bank = Path(folder) / f"{first}-{second}.npz"
            others = [day for day in days if day not in (first, second)]
            before, cried, after = _choice(bank, model, days, (first, second), others, wanted)
            every.append((before, after))
            rows.append((first, second, f"{cried}", *_cells(before, wanted), *_cells(after, wanted)))
    heads = ("alarms on the other days", "above the threshold", "a day, if heard all day")
    print_table(
        ("enrolled", "shadow day", "it would have cried", *heads, *(f"{head}, after it" for head in heads)), rows
    )
    before, after = ([day for choice in every for day in choice[which]] for which in (0, 1))
    say(
        f"\n{counted(len(every), 'choice')}, {counted(len(after), 'day')} listened to: {_mean(before):.2f} alarms a "
        f"day before and {_mean(after):.2f} after the shadow day; days with an alarm: {_days_with(before)} and "
        f"{_days_with(after)}; the most on one day: {max(day.alarms for day in before)} and "
        f"{max(day.alarms for day in after)}."
    )


def _choice(
    bank: Path,
    model: Model,
    days: Mapping[str, Sequence[Path]],
    learned: tuple[str, str],
    others: Sequence[str],
    wanted: ShadowDaysSettings,
) -> tuple[list[Heard], int, list[Heard]]:
    """Enroll one day and hear another in shadow; what was heard on the others before and after that was confirmed."""
    first, second = learned
    enroll(FileSource(days[first]), model, EnrollSettings(bank))
    before = [_heard(bank, model, days[day], wanted) for day in others]
    shadow = ListenSettings(rule=wanted.rule, false_alarms_per_day=wanted.wish, learn_for_s=_ALL_OF_A_DAY_S)
    for _ in listen([Machine(FileSource(days[second]), model, load_bank(bank), shadow, bank_file=bank)]):
        pass
    found = feedback(FeedbackSettings(bank, shadow_days=True, normal=True))
    cried = 0 if found.shadow_days is None else len(found.shadow_days.alarms)
    return before, cried, [_heard(bank, model, days[day], wanted) for day in others]


def _heard(bank: Path, model: Model, files: Sequence[Path], wanted: ShadowDaysSettings) -> Heard:
    """Listen to the recordings of one day."""
    settings_now = ListenSettings(rule=wanted.rule, false_alarms_per_day=wanted.wish)
    items = list(listen([Machine(FileSource(files), model, load_bank(bank), settings_now)]))
    above = [item.decision == "anomaly" for item in items if isinstance(item, Score)]
    alarms = sum(not isinstance(item, Score) and item.event == "alarm_on" for item in items)
    return Heard(alarms, float(np.mean(above)))


def _days(folder: Path) -> dict[str, list[Path]]:
    """The recordings of each day, in the order of time."""
    days: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if (found := _DAY.search(file.name)) is not None:
            days.setdefault(found[1], []).append(file)
    if len(days) < _FEWEST_DAYS:
        raise InputError(
            "There are too few days to learn from one and listen to another after a shadow day.",
            got=f"{folder}: {counted(len(days), 'day')}",
            valid=f"{_FEWEST_DAYS} or more, as in rest_20260327_002446.flac",
            next_step="give a folder of recordings of several days",
        )
    return days


def _cells(heard: Sequence[Heard], wanted: ShadowDaysSettings) -> tuple[str, str, str]:
    exceedances = [day.exceedance for day in heard]
    rates = [wanted.rule.false_alarms_per_day(exceedance, 10.0) for exceedance in exceedances]
    return (
        ", ".join(f"{day.alarms}" for day in heard),
        ", ".join(f"{exceedance:.3f}" for exceedance in exceedances),
        f"{np.mean(rates):.2g}",
    )


def _mean(heard: Sequence[Heard]) -> float:
    return float(np.mean([day.alarms for day in heard]))


def _days_with(heard: Sequence[Heard]) -> int:
    return sum(day.alarms > 0 for day in heard)
