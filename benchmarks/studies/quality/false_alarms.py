"""Whether the alarm's threshold keeps its promise: simulated machines that are well, and recordings split at random.

Each simulated enrolment learns from so many windows, and its alarm then listens to windows of the same machine, one
after the other, as `listen` does. Beside it stands the rule before: 3/5 at a percentile of a Gamma fit to scores that
know a window's own share.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.benchmarks.studies.quality.normal_processes import KINDS, Correlations, NormalProcess, WindowsEnrolled
from asd_edge.calibration.alarm import Alarm, AlarmRule
from asd_edge.calibration.alarm_rate import DAY_S
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.bank.bank import Bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.threshold import GammaFit
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.scorers.nearest import nearest_others
from asd_edge.calibration.scorers.normalisation import Normalisation
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime import Model

HOP_S = 10.0
BEFORE = AlarmRule(3, 5)
"""The rule before."""
_PERCENTILE_BEFORE = 97.22
"""The percentile at which 3/5 goes on once a day, if windows are independent and the percentile is met."""
SHIFT = 9.0
"""How far sound is shifted to look for it, in mean deviations of a dimension, in one direction."""
_STRETCHES, _LOOKED_FOR = 200, 18
"""The number of stretches of shifted sound, and the windows of each, three minutes."""
_FAULT = "_anomaly_"
"""What the names of recordings of a fault hold, as in data sets of DCASE."""
_ROWS = 4096


@settings
class FalseAlarmsSettings:
    """What is simulated, and which recordings are looked at."""

    enrolments: Annotated[int, Setting("The number of enrolments of each kind.", at_least=2, at_most=100_000)] = 40
    windows: WindowsEnrolled = (60, 360)
    correlations: Correlations = (0.0, 0.3, 0.5)
    days: Annotated[float, Setting("The days that each alarm listens.", above=0.0, at_most=1000.0)] = 5.0
    wish: Annotated[float, Setting("The false alarms a day that are wished for.", above=0.0, at_most=1000.0)] = 1.0
    rule: Annotated[AlarmRule, Setting("The rule of the alarm, k/n.", option="--alarm", parse=AlarmRule.parse)] = (
        AlarmRule()
    )
    data: Annotated[
        tuple[Path, ...],
        Setting(
            "A folder with recordings of one machine. The normal ones are split at random; the option can be repeated."
        ),
    ] = ()
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"


@dataclass(frozen=True)
class Kept:
    """How one enrolment kept its promise."""

    now: float
    """the false alarms a day"""
    before: float
    """the same by the rule before"""
    inside: bool
    """whether the interval that was told holds what the alarm's rate is"""
    found: float
    """the share of stretches of weakly shifted sound in which the alarm goes on, at exactly the wish"""
    found_before: float
    """the same by the rule before"""


def bank_of(embeddings: FloatArray, apart: bool = False) -> Bank:
    """Enroll windows, the later ones of one recording or each `apart` from all others."""
    count = len(embeddings)
    steps, one = np.arange(count), np.zeros(count)
    numbers, starts_s = (steps, one) if apart else (one, HOP_S * steps)
    timeline = Timeline(numbers.astype(np.int32), starts_s.astype(np.float64), HOP_S)
    info = BankInfo("0" * 64, "simulated", HOP_S, HOP_S)
    return make_bank(info, References(embeddings, timeline, np.full(count, "")))


def scores_by(bank: Bank, embeddings: FloatArray) -> NDArray[np.float64]:
    """The scores of windows, (windows,), as the scorer `nearest` gives them one by one."""
    normalisation = Normalisation.of(bank.references.embeddings)
    x = normalisation.apply(bank.references.embeddings)
    norms = np.square(x).sum(axis=1)
    scores = []
    for start in range(0, len(embeddings), _ROWS):
        z = normalisation.apply(embeddings[start : start + _ROWS])
        squared = np.square(z).sum(axis=1)[:, None] - 2.0 * (z @ x.T) + norms
        scores.append(np.sqrt(np.maximum(squared.min(axis=1), 0.0)))
    return np.concatenate(scores).astype(np.float64)


def threshold_before(bank: Bank) -> float:
    """The threshold for one false alarm a day as it was found before."""
    references = bank.references
    z = Normalisation.of(references.embeddings).apply(references.embeddings).astype(np.float64)
    (scores,) = nearest_others(z, Timeline(*_times(references.timeline)), [np.ones(len(z), np.bool_)])
    return GammaFit.of(scores).threshold(_PERCENTILE_BEFORE)


def _times(timeline: Timeline) -> tuple[NDArray[np.int32], NDArray[np.float64], float]:
    return timeline.recordings, timeline.starts_s, timeline.window_s


def alarms_per_day(scores: NDArray[np.float64], threshold: float, rule: AlarmRule) -> float:
    """How often the alarm goes on in a day of such scores."""
    alarm = Alarm(rule)
    began = sum(alarm.update(anomalous) and alarm.on for anomalous in (scores > threshold).tolist())
    return began / (len(scores) * HOP_S) * DAY_S


def kept(process: NormalProcess, windows: int, wanted: FalseAlarmsSettings) -> Kept:
    """Enroll a simulated machine and listen to it."""
    bank = bank_of(process.windows(windows))
    scores = scores_by(bank, process.windows(int(wanted.days * DAY_S / HOP_S)))
    threshold = bank.threshold_for(wanted.wish, wanted.rule, HOP_S)
    now = alarms_per_day(scores, threshold.value, wanted.rule)
    # A count of a few days scatters; the interval is one of the rate, which the exceedance gives.
    exceedance = float(np.mean(scores > threshold.value))
    correlation = bank.dependence.correlation_at(HOP_S, HOP_S)
    rate = wanted.rule.false_alarms_per_day(exceedance, HOP_S, correlation)
    told = threshold.false_alarms
    before = alarms_per_day(scores, threshold_before(bank), BEFORE)
    inside = told.at_least <= rate <= told.at_most or (rate == 0.0 and told.at_least < 0.01)
    shifted = shifted_scores(process, bank)
    return Kept(now, before, inside, *(found_at(scores, shifted, rule, wanted.wish) for rule in (wanted.rule, BEFORE)))


def shifted_scores(process: NormalProcess, bank: Bank) -> NDArray[np.float64]:
    """The scores of stretches of shifted sound, (stretches, windows)."""
    windows = process.windows(_STRETCHES * _LOOKED_FOR)
    shift = SHIFT * float(bank.references.embeddings.std(axis=0).mean()) * process.direction()
    return scores_by(bank, windows + shift).reshape(_STRETCHES, _LOOKED_FOR)


def found_at(normal: NDArray[np.float64], shifted: NDArray[np.float64], rule: AlarmRule, wish: float) -> float:
    """The share of stretches in which an alarm goes on that has the wished for false alarms in normal sound."""
    low, high = 0.0, 0.5  # bisection: the rate rises with the share above the threshold
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rule.false_alarms_per_day(middle, HOP_S) < wish else (low, middle)
    threshold = float(np.quantile(normal, 1.0 - low))
    alarms = [Alarm(rule) for _ in shifted]
    return float(
        np.mean(
            [
                any(alarm.update(a) for a in row)
                for alarm, row in zip(alarms, (shifted > threshold).tolist(), strict=True)
            ]
        )
    )


def false_alarms(wanted: FalseAlarmsSettings) -> None:
    """False alarms a day for a wish, of simulated machines that are well and of real recordings split at random."""
    rows = []
    for correlation in wanted.correlations:
        for windows in wanted.windows:
            for number, kind in enumerate(KINDS):
                found = [
                    kept(NormalProcess(kind, 1000 * number + seed, correlation**0.5), windows, wanted)
                    for seed in range(wanted.enrolments)
                ]
                rows.append((kind, f"{windows}", f"{correlation:g}", *_summary(found)))
    print_table(
        (
            "normal sound",
            "windows",
            "correlation",
            "before",
            "now",
            "median",
            "90 % of them below",
            "interval holds it",
            "weak shift found before",
            "now",
        ),
        rows,
    )
    if wanted.data:
        say("")
        print_table(
            ("recordings", "windows", "before", "now", "exceedance"), [_split(path, wanted) for path in wanted.data]
        )


def _summary(found: list[Kept]) -> tuple[str, ...]:
    now = np.array([each.now for each in found])
    before = np.mean([each.before for each in found])
    holds = np.mean([each.inside for each in found])
    return (
        f"{before:.1f}",
        f"{now.mean():.2f}",
        f"{np.median(now):.2f}",
        f"{np.quantile(now, 0.9):.2f}",
        f"{100 * holds:.0f} %",
        f"{np.mean([each.found_before for each in found]):.2f}",
        f"{np.mean([each.found for each in found]):.2f}",
    )


def _split(path: Path, wanted: FalseAlarmsSettings) -> tuple[str, ...]:
    """Enroll a random part of the recordings of one machine, and take the rate from the share of the others above."""
    model = Model(wanted.model, "cpu")
    files = sorted(each for each in path.rglob("*") if each.suffix in (".wav", ".flac") and _FAULT not in each.name)
    embeddings = np.stack([model.embed(read_windows(each, model.info.samples)[0]).embedding for each in files])
    rng = np.random.default_rng(0)
    learned = min(60, len(embeddings) * 3 // 5)
    now, before, above = [], [], []
    for _ in range(wanted.enrolments):
        order = rng.permutation(len(embeddings))
        bank = bank_of(embeddings[order[:learned]], apart=True)
        scores = scores_by(bank, embeddings[order[learned:]])

        def share(value: float, scores: NDArray[np.float64] = scores) -> float:
            return float(np.mean(scores > value))

        above.append(share(bank.threshold_for(wanted.wish, wanted.rule, HOP_S).value))
        now.append(wanted.rule.false_alarms_per_day(above[-1], HOP_S))
        before.append(BEFORE.false_alarms_per_day(share(threshold_before(bank)), HOP_S))
    return (
        path.name,
        f"{learned} of {len(embeddings)}",
        f"{np.mean(before):.1f}",
        f"{np.mean(now):.2f}",
        f"{np.mean(above):.3f}",
    )
