"""Which of the faults that people have confirmed the banks of their machines would find today."""

from __future__ import annotations

from pathlib import Path

from asd_edge.benchmarks.evaluation.settings import EvaluateSettings
from asd_edge.calibration.atomic_files import write_folder
from asd_edge.calibration.csv_text import csv_bytes
from asd_edge.calibration.value_types import checked
from asd_edge.runtime import KnownFault, known_faults, load_bank

HEADS = ("bank", "alarm", "began", "note", "windows", "highest", "threshold", "found")
"""The columns of the table."""


@checked
def evaluate_banks(settings: EvaluateSettings) -> dict[Path, tuple[KnownFault, ...]]:
    """Score the known faults of banks by what these banks are now, with the alarm of `listen`.

    Args:
        settings: Which banks; the output is a new folder for ``known_faults.csv``.

    Returns:
        The known faults of each bank.

    Raises:
        InputError: A bank cannot be read, or the output cannot be written.
    """
    found = {path: known_faults(load_bank(path)) for path in settings.banks}
    with write_folder(settings.output) as work:
        (work / "known_faults.csv").write_bytes(csv_bytes([HEADS, *fault_rows(found)]))
    return found


def fault_rows(found: dict[Path, tuple[KnownFault, ...]]) -> list[tuple[object, ...]]:
    """The known faults of banks, a row each, in the order of `HEADS`."""
    rows: list[tuple[object, ...]] = []
    for path, faults in found.items():
        for fault in faults:
            answer = fault.answer
            told = (answer.alarm, answer.began, answer.note, fault.windows, fault.highest, fault.threshold)
            rows.append((str(path), *told, "yes" if fault.found else "no"))
    return rows
