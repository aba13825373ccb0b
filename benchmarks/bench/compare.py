"""Two benchmarks side by side: two devices, or two versions on one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd_edge.benchmarks.bench.results import BENCH_FORMAT, KIND
from asd_edge.benchmarks.bench.settings import CompareSettings
from asd_edge.calibration.errors import InputError


@dataclass(frozen=True)
class _Measure:
    """One thing that is compared."""

    words: str
    path: tuple[str, ...]
    """where the value is in a result of ``bench.json``"""
    better: str = "less"


_MEASURES = (
    _Measure("median time", ("latency", "median_s")),
    _Measure("start", ("start", "median_s")),
    _Measure("resident memory", ("start", "resident_bytes")),
    _Measure("size on disk", ("size_bytes",)),
    _Measure("energy", ("energy", "joules_per_window")),
    _Measure("microphones", ("microphones", "microphones"), "more"),
    _Measure("AUC", ("areas", "auc"), "more"),
)
"""What a tolerance is for. The tail of the times is not: it changes from run to run."""


@dataclass(frozen=True)
class Change:
    """How one measure of one combination changed."""

    combination: str
    measure: str
    before: float
    after: float
    worse: bool
    """whether it is worse by more than the tolerance"""

    @property
    def ratio(self) -> float:
        """The value after over the value before."""
        return self.after / self.before


@dataclass(frozen=True)
class Comparison:
    """What changed from one benchmark to another."""

    changes: tuple[Change, ...]
    failed: tuple[str, ...]
    """combinations whose quality is beyond the limits only in the second"""
    remarks: tuple[str, ...]
    """what else is to be known"""

    @property
    def worse(self) -> bool:
        """Whether anything is worse than it may be."""
        return bool(self.failed) or any(change.worse for change in self.changes)


def compare(settings: CompareSettings) -> Comparison:
    """Compare two benchmarks, combination by combination.

    Args:
        settings: The two files, and the tolerance.

    Raises:
        InputError: One of the files cannot be read, or they have no combination in common.
    """
    tolerance = settings.tolerance
    before, after = read_bench(settings.first), read_bench(settings.second)
    ours = {result["name"]: result for result in before["results"]}
    theirs = {result["name"]: result for result in after["results"]}
    both = [name for name in ours if name in theirs]
    if not both:
        raise InputError(
            "The two benchmarks have no combination in common.",
            got=f"{', '.join(ours)} and {', '.join(theirs)}",
            valid="the same models, providers, threads and batches in both, at least some",
            next_step="run asd-edge bench with the same options, and models of the same names, on both",
        )
    changes = [
        change
        for name in both
        for measure in _MEASURES
        if (change := _change(name, measure, ours[name], theirs[name], tolerance)) is not None
    ]
    failed = tuple(name for name in both if not _fails(ours[name]) and _fails(theirs[name]))
    return Comparison(tuple(changes), failed, tuple(_remarks(before, after)))


def read_bench(path: Path) -> dict[str, Any]:
    """Read a ``bench.json``.

    Raises:
        InputError: The file is not there, is no benchmark, or is of another format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _unreadable(path, "it is no JSON") from error
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise _unreadable(path, "another program wrote it")
    if values.get("format") != BENCH_FORMAT:
        raise InputError(
            "The benchmark is in another format than this version of asd-edge reads.",
            got=f"{path}: format {values.get('format')}",
            valid=f"format {BENCH_FORMAT}",
            next_step="measure it again with this version, or compare with the one that wrote it",
        )
    return values


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"The file is no benchmark: {reason}.",
        got=path,
        valid="a bench.json that asd-edge bench wrote",
        next_step="asd-edge bench --output DIR, then give DIR/bench.json",
    )


def _change(
    name: str, measure: _Measure, before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float
) -> Change | None:
    """Say how one measure changed; none where either benchmark does not have it."""
    first, second = _value(before, measure.path), _value(after, measure.path)
    if not first or second is None:
        return None
    # "Not within" rather than "beyond": what is not a number is never within.
    if measure.better == "less":
        worse = not second <= (1.0 + tolerance) * first
    else:
        # Where the time was over before there were too many, nobody knows how many it would have been.
        known = measure.path[0] != "microphones" or after["microphones"]["limit_found"]
        worse = known and not second >= first / (1.0 + tolerance)
    return Change(name, measure.words, first, second, worse)


def _value(result: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = result
    for key in path:
        value = value[key] if value is not None else None
    return None if value is None else float(value)


def _fails(result: Mapping[str, Any]) -> bool:
    return result["quality"] is not None and not result["quality"]["within_limits"]


def _remarks(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    remarks = [
        f"{label} is another file in the second."
        for label, model in before["models"].items()
        if label in after["models"] and after["models"][label]["sha256"] != model["sha256"]
    ]
    for where, one, other in (("first", before, after), ("second", after, before)):
        names = {result["name"] for result in other["results"]}
        alone = [result["name"] for result in one["results"] if result["name"] not in names]
        remarks += [f"Only in the {where}: {name}." for name in alone]
    return remarks
