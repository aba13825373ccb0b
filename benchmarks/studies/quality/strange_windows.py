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
from asd_edge.benchmarks.studies.quality.normal_processes import KINDS, NormalProcess
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


@settings
class StrangeWindowsSettings:
    """What is simulated, and which recordings are looked at."""

    enrolments: Annotated[int, Setting("The number of enrolments of each kind.", at_least=2, at_most=100_000)] = 40
    windows: Annotated[
        tuple[int, ...],
        Setting("The number of windows enrolled; the option can be repeated.", at_least=30, at_most=100_000),
    ] = (60, 360)
    correlations: Annotated[
        tuple[float, ...],
        Setting(
            "The correlation of the scores of windows that follow each other; the option can be repeated.",
            option="--correlation",
            at_least=0.0,
            at_most=0.9,
        ),
    ] = (0.0, 0.5)
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
        ("recordings", "enrolled", "strange, times the usual distance", "copies"),
        (each.looked_at() for each in recordings),
    )
    say("")
    print_table(
        (
            "recordings",
            "strange windows",
            "threshold for 6/8",
            "its recall",
            "normal above",
            "threshold for 1/1",
            "its recall",
            "normal above",
        ),
        (row for each in recordings for row in each.kept_and_dropped()),
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

        self.bank = bank_of(embedded(train), apart=True)
        self.found = strange(self.bank.references, np.ones(len(train), np.bool_))
        self.heard = [
            embedded(each) if each else None for each in (faults, [file for file in normal if file not in train])
        ]

    def looked_at(self) -> tuple[str, ...]:
        references = self.bank.references
        times = ", ".join(f"{height:.1f}" for height in self.found.values())
        same = copies(references, np.ones(len(references), np.bool_))
        return self.name, f"{len(references)}", times or "none", f"{len(same)}"

    def kept_and_dropped(self) -> list[tuple[str, ...]]:
        if not self.found or self.heard[0] is None:
            return []
        embeddings = self.bank.references.embeddings
        without = bank_of(np.delete(embeddings, list(self.found), axis=0), apart=True)
        return [self._row("kept", self.bank), self._row("dropped", without)]

    def _row(self, what: str, bank: Bank) -> tuple[str, ...]:
        cells = [self.name, what]
        for rule in (AlarmRule(), AlarmRule(1, 1)):
            threshold = bank.threshold_for(1.0, rule, _HOP_S).value
            shares = [self._above(bank, heard, threshold) for heard in self.heard]
            cells += [f"{threshold:.1f}", *shares]
        return tuple(cells)

    @staticmethod
    def _above(bank: Bank, heard: FloatArray | None, threshold: float) -> str:
        if heard is None:
            return "-"
        scores: NDArray[np.float64] = scores_by(bank, heard)
        return f"{np.mean(scores > threshold):.2f}"
