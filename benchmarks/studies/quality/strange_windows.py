"""Whom the look at strange windows and copies bothers, and what dropping or keeping them does to the alarm.

Normal sound, simulated and of real machines, should seldom be called strange; a sound that passes by should be found,
whether it fills one window or six. Where recordings of a fault are there, too, their recall and the alarms on normal
recordings are compared with all windows enrolled and without the strange ones.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.benchmarks.studies.quality.false_alarms import bank_of, scores_by
from asd_edge.benchmarks.studies.quality.normal_processes import KINDS, Correlations, NormalProcess
from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.strange_windows import copies, strange
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime import Model

_HOP_S = 10.0
_FAULT = "_anomaly_"
"""What the names of recordings of a fault hold, as in data sets of DCASE."""
_TRAIN = "train"
"""The folder of a data set whose recordings are enrolled."""
_PASSES_AT = 20
"""The window in which a sound begins to pass by."""
_PASSING = 80.0
"""How far it moves an embedding: about 2.5 times the usual distance."""
_SUBSET = 60
"""As many random recordings as the default enrolment has windows, or three fifths of fewer."""


@settings
class StrangeWindowsSettings:
    """What is simulated, and which recordings are looked at."""

    enrolments: Annotated[int, Setting("The number of enrolments of each kind.", at_least=2, at_most=100_000)] = 40
    windows: Annotated[
        tuple[int, ...],
        Setting("The number of windows enrolled; the option can be repeated.", at_least=30, at_most=100_000),
    ] = (60, 360)
    correlations: Correlations = (0.0, 0.5)
    data: Annotated[
        tuple[Path, ...],
        Setting("A folder with recordings of one machine, in the layout of DCASE or not; the option can be repeated."),
    ] = ()
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"


def strange_rows(bank: Bank) -> list[int]:
    """The rows of strange windows of a bank."""
    return list(strange(bank.references, np.ones(len(bank.references), np.bool_)))


def strange_windows(wanted: StrangeWindowsSettings) -> None:
    """Whom the look at strange windows bothers, what it finds, and what dropping them does to recall."""
    print_table(
        ("normal sound", "windows", "correlation", "enrolments bothered", "windows each", "1 passing", "3", "6"),
        (
            _simulated(kind, number, windows, correlation, wanted.enrolments)
            for correlation in wanted.correlations
            for windows in wanted.windows
            for number, kind in enumerate(KINDS)
        ),
    )
    if not wanted.data:
        return
    model = Model(wanted.model, "cpu")
    recordings = [_Recordings(path, model) for path in wanted.data]
    say("")
    print_table(
        (
            "recordings",
            "enrolled",
            "strange, times the usual distance",
            "copies",
            "of random",
            "bothered",
            "windows each",
        ),
        (each.looked_at(wanted.enrolments) for each in recordings),
    )
    say("")
    heads = [f"{what}, {rule}" for rule in ("6/8", "1/1") for what in ("recall", "normal above", "alarms a day")]
    print_table(
        ("recordings", "strange windows", *heads),
        (row for each in recordings for row in each.kept_and_dropped(wanted.enrolments)),
    )


def _simulated(kind: str, number: int, windows: int, correlation: float, enrolments: int) -> tuple[str, ...]:
    memory = correlation**0.5
    bothered = [
        len(strange_rows(bank_of(NormalProcess(kind, 1000 * number + seed, memory).windows(windows))))
        for seed in range(enrolments)
    ]
    found = []
    for length in (1, 3, 6):
        shares = []
        for seed in range(enrolments):
            process = NormalProcess(kind, 1000 * number + seed, memory)
            embeddings = process.windows(windows)
            rows = set(range(_PASSES_AT, _PASSES_AT + length))
            embeddings[sorted(rows)] += _PASSING * process.direction()
            shares.append(len(rows & set(strange_rows(bank_of(embeddings)))) / length)
        found.append(float(np.mean(shares)))
    return (
        kind,
        f"{windows}",
        f"{correlation:g}",
        f"{100 * np.mean(np.array(bothered) > 0):.0f} %",
        f"{np.mean(bothered):.2f}",
        *(f"{100 * share:.0f} %" for share in found),
    )


class _Recordings:
    """The recordings of one machine: what is enrolled, and what is heard afterwards."""

    def __init__(self, path: Path, model: Model) -> None:
        self.name = path.name
        files = sorted(each for each in path.rglob("*") if each.suffix in (".wav", ".flac"))
        faults = [file for file in files if _FAULT in file.name]
        normal = [file for file in files if _FAULT not in file.name]
        train = [file for file in normal if _TRAIN in file.parts] or normal

        def embedded(chosen: list[Path]) -> FloatArray:
            windows = [read_windows(file, model.info.samples)[0] for file in chosen]
            return np.stack([model.embed(window).embedding for window in windows])

        self._train = embedded(train)
        tested = [file for file in normal if file not in train]
        self._normal = embedded(tested) if tested else None
        self._faults = embedded(faults) if faults else None

    def looked_at(self, subsets: int) -> tuple[str, ...]:
        """What is found among the recordings that are enrolled, and among random ones of them."""
        bank = bank_of(self._train, apart=True)
        found = strange(bank.references, np.ones(len(self._train), np.bool_))
        same = copies(bank.references, np.ones(len(self._train), np.bool_))
        times = ", ".join(f"{height:.1f}" for height in found.values())
        count = min(_SUBSET, len(self._train) * 3 // 5)
        rng = np.random.default_rng(0)
        bothered = [
            len(strange_rows(bank_of(self._train[rng.permutation(len(self._train))[:count]], apart=True)))
            for _ in range(subsets)
        ]
        return (
            self.name,
            f"{len(self._train)}",
            times or "none",
            f"{len(same)}",
            f"{count}",
            f"{100 * np.mean(np.array(bothered) > 0):.0f} %",
            f"{np.mean(bothered):.2f}",
        )

    def kept_and_dropped(self, splits: int) -> list[tuple[str, ...]]:
        """The alarm with strange windows kept and dropped, as the set is divided and as it is split at random."""
        if self._faults is None or self._normal is None or not strange_rows(bank_of(self._train, apart=True)):
            return []
        divided = self._both(self._train, self._faults, self._normal)
        every = np.concatenate([self._train, self._normal])
        odd = np.array(strange_rows(bank_of(every, apart=True)))
        others = np.setdiff1d(np.arange(len(every)), odd)
        rng = np.random.default_rng(0)
        split = []
        for _ in range(splits):
            order = rng.permutation(others)
            rows = np.concatenate([odd, order[: len(others) * 3 // 5]])
            split.append(self._both(every[rows], self._faults, every[order[len(others) * 3 // 5 :]]))
        return [
            (f"{self.name}, {how}", what, *(f"{value:.2f}" for value in values))
            for how, figures in (("as divided", divided), ("split at random", np.mean(split, axis=0)))
            for what, values in zip(("kept", "dropped"), figures, strict=True)
        ]

    def _both(self, enrolled: FloatArray, faults: FloatArray, normal: FloatArray) -> NDArray[np.float64]:
        """The figures of both rules with strange windows kept and without them, (2, 6)."""
        bank = bank_of(enrolled, apart=True)
        without = bank_of(np.delete(enrolled, strange_rows(bank), axis=0), apart=True)
        return np.array([self._figures(each, faults, normal) for each in (bank, without)])

    def _figures(self, bank: Bank, faults: FloatArray, normal: FloatArray) -> list[float]:
        """Of each rule: the share of faults above its threshold, the share of normal windows, and alarms a day."""
        failing, well = scores_by(bank, faults), scores_by(bank, normal)
        figures = []
        for rule in (AlarmRule(), AlarmRule(1, 1)):
            threshold = bank.threshold_for(1.0, rule, _HOP_S).value
            above = float(np.mean(well > threshold))
            figures += [float(np.mean(failing > threshold)), above, rule.false_alarms_per_day(above, _HOP_S)]
        return figures
