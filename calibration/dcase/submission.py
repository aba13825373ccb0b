"""The challenge's files: scores and decisions that a system hands in, and the ground truth to compare them with."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.csv_text import csv_bytes, read_csv
from asd_edge.calibration.dcase.measures import ScoredClip
from asd_edge.calibration.errors import InputError

MachineKey = tuple[str, str]
"""The machine type and the section, such as ``("fan", "section_00")``."""


def write_scores(folder: Path, machine: MachineKey, clips: Sequence[ScoredClip]) -> None:
    """Write ``anomaly_score_<machine>_<section>_test.csv`` and ``decision_result_...``, without a header.

    Args:
        folder: The folder to write to.
        machine: The machine type and section.
        clips: The machine's test clips with scores and decisions.

    Raises:
        InputError: The folder cannot be written to.
    """
    columns = {
        "anomaly_score": [repr(clip.score) for clip in clips],
        "decision_result": [str(int(clip.detected)) for clip in clips],
    }
    for kind, cells in columns.items():
        with write_whole(folder / f"{kind}_{machine[0]}_{machine[1]}_test.csv") as file:
            file.write(csv_bytes([(clip.name, cell) for clip, cell in zip(clips, cells, strict=True)]))


def read_scored(scores: Path, ground_truth: Path) -> dict[MachineKey, tuple[ScoredClip, ...]]:
    """Read what a system handed in, with the labels and domains of the ground truth.

    Args:
        scores: The folder with ``anomaly_score_...`` and ``decision_result_...`` for every machine of the ground truth.
            The files may go by the names of the evaluation set or by those that the ground truth gives with their
            attributes.
        ground_truth: The folder with ``ground_truth_data``, ``ground_truth_domain`` and, where files go by their other
            names, ``ground_truth_attributes``; as in the evaluators of 2022 to 2025.

    Returns:
        The clips by machine, in the order of the ground truth.

    Raises:
        InputError: A file is missing or damaged, or scores and ground truth do not fit together.
    """
    machines = _machines(ground_truth / "ground_truth_data", "ground_truth")
    handed_in = _machines(scores, "anomaly_score")
    unknown = next((key for key in handed_in if key not in machines), None)
    if unknown is not None:
        raise InputError(
            "There are scores for a machine that the ground truth does not know.",
            got=handed_in[unknown],
            valid=", ".join(f"{machine} {section}" for machine, section in machines),
            next_step="take the file out, or give the ground truth of the same year",
        )
    return {key: _read_machine(scores, ground_truth, key) for key in machines}


def _machines(folder: Path, kind: str) -> dict[MachineKey, Path]:
    """Find the files by machine whose names begin with this word."""
    pattern = re.compile(rf"{kind}_(?P<machine>.+)_(?P<section>section_\d{{2}})_test\.csv")
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = {(match["machine"], match["section"]): path for path in paths if (match := pattern.fullmatch(path.name))}
    if not found:
        raise InputError(
            f"There are no files {kind}_... of a machine in this folder.",
            got=folder,
            valid=f"files such as {kind}_fan_section_00_test.csv",
            next_step="check the path",
        )
    return found


def _read_machine(scores: Path, ground_truth: Path, key: MachineKey) -> tuple[ScoredClip, ...]:
    truth_name = f"ground_truth_{key[0]}_{key[1]}_test.csv"
    labels = _read_flags(ground_truth / "ground_truth_data" / truth_name)
    domains = _read_flags(ground_truth / "ground_truth_domain" / truth_name)
    _require_same_files(domains, labels, ground_truth / "ground_truth_domain" / truth_name)
    other_names = ground_truth / "ground_truth_attributes" / truth_name
    renamed = (
        {f"{other.removesuffix('.wav')}.wav": name for name, *others in _read_rows(other_names) for other in others}
        if other_names.is_file()
        else {}
    )

    def read(kind: str) -> dict[str, float]:
        path = scores / f"{kind}_{key[0]}_{key[1]}_test.csv"
        values = (_read_flags if kind == "decision_result" else _read_numbers)(path, renamed)
        _require_same_files(values, labels, path)
        return values

    values, decisions = read("anomaly_score"), read("decision_result")
    return tuple(
        ScoredClip(
            name=name,
            domain="target" if domains[name] else "source",
            label="anomaly" if labels[name] else "normal",
            score=values[name],
            detected=bool(decisions[name]),
        )
        for name in labels
    )


def _read_numbers(path: Path, renamed: dict[str, str] | None = None) -> dict[str, float]:
    """Finite numbers by file name."""
    values: dict[str, float] = {}
    for written, *cells in _read_rows(path):
        if len(cells) != 1:
            _refuse(path, "A row does not have two cells.", ",".join([written, *cells]), "a file name and a value")
        name = (renamed or {}).get(written, written)
        if name in values:
            _refuse(path, "A file is there twice.", written, "one row for each clip")
        try:
            values[name] = float(cells[0])
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]):
            _refuse(path, "A value is not a number.", f"{written},{cells[0]}", "finite numbers")
    return values


def _read_flags(path: Path, renamed: dict[str, str] | None = None) -> dict[str, float]:
    values = _read_numbers(path, renamed)
    for name, value in values.items():
        if value not in {0.0, 1.0}:
            _refuse(path, "A value is neither 0 nor 1.", f"{name},{value:g}", "0 or 1")
    return values


def _read_rows(path: Path) -> list[list[str]]:
    try:
        return read_csv(path)
    except FileNotFoundError:
        raise InputError(
            "A file of the challenge is missing.",
            got=path,
            valid="scores, decisions, labels and domains for every machine of the ground truth",
            next_step="add it, or give the ground truth of the machines that were scored",
        ) from None
    except (OSError, ValueError) as error:
        _refuse(path, f"The file cannot be read: {error}.", "", "a CSV file in UTF-8")


def _require_same_files(found: Iterable[str], known: dict[str, float], path: Path) -> None:
    names = set(found)
    for name in found:
        if name not in known:
            _refuse(path, "A file is not in the ground truth.", name, "the files that ground_truth_data lists")
    missing = next((name for name in known if name not in names), None)
    if missing is not None:
        _refuse(path, "A file of the ground truth is missing.", missing, "a row for each of its files")


def _refuse(path: Path, what: str, got: str, valid: str) -> NoReturn:
    raise InputError(
        what, got=f"{path}: {got}" if got else path, valid=valid, next_step="correct the file, or write it again"
    )
