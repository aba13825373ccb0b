"""What `asd-edge bench` found, and its file ``bench.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.benchmarks.bench.measures.capacity import Carried
from asd_edge.benchmarks.bench.measures.quality import Quality
from asd_edge.benchmarks.bench.measures.subjects import ModelFile
from asd_edge.benchmarks.bench.measures.timing import Parts
from asd_edge.benchmarks.bench.plan import Combination, LeftOut
from asd_edge.benchmarks.probes.energy import Energy
from asd_edge.benchmarks.probes.process_start import FreshStart
from asd_edge.calibration.atomic_files import write_whole

KIND = "asd-edge bench"
BENCH_FORMAT = 2
"""The format of ``bench.json``; ``bench.schema.json`` beside this module describes it."""


@dataclass(frozen=True)
class Latency:
    """How long one batch takes, from the sound to all scores, once the model is warm."""

    count: int
    """how many batches were timed"""
    least_s: float
    median_s: float
    p95_s: float
    p99_s: float
    """the 99th percentile; with fewer than a hundred batches, the worst"""
    worst_s: float

    @classmethod
    def of(cls, took_s: Sequence[float]) -> Latency:
        """Take the percentiles of all that were timed, without interpolation: each is a time that was seen."""
        least, median, p95, p99, worst = np.percentile(took_s, [0, 50, 95, 99, 100], method="higher").tolist()
        return cls(len(took_s), least, median, p95, p99, worst)


@dataclass(frozen=True)
class Areas:
    """How well faults are found on recordings."""

    folder: str
    """the folder of the evaluation, beside this file"""
    auc: float
    """the harmonic mean over machines, both domains together"""
    official_score: float
    """the Ω of the challenge"""


@dataclass(frozen=True)
class Result:
    """What was found of one combination."""

    combination: Combination
    nodes: Mapping[str, Mapping[str, int]]
    """how many nodes run where, provider -> operator -> count; empty where ONNX Runtime does not tell"""
    notes: tuple[str, ...]
    """what else is to be known of the combination"""
    load_s: float
    """loading in a process that was running; with TensorRT that is mostly building its engine"""
    first_s: float
    """the first batch after that"""
    latency: Latency
    parts: Parts
    microphones: Carried
    start: FreshStart | None
    """none where a process ended without a score"""
    energy: Energy | None
    """none where the device does not tell"""
    quality: Quality | None
    """none where nothing in float32 is at hand"""
    areas: Areas | None
    """none without recordings"""

    @property
    def windows_per_s(self) -> float:
        """How many windows are scored in a second, one batch after the other."""
        return self.combination.batch / self.latency.median_s

    @property
    def marked(self) -> bool:
        """Whether its quality is beyond what a lower precision may cost."""
        return self.quality is not None and not self.quality.within_limits


@dataclass(frozen=True)
class Bench:
    """One run on one device."""

    created: str
    """UTC, ISO 8601"""
    device: Mapping[str, Any]
    versions: Mapping[str, str]
    duration_s: float
    hop_s: float
    references: int
    """how many references every score was compared with"""
    rounds: int
    disturbed: int
    """rounds that were repeated because something else took the computer"""
    quiet: bool
    """whether there were enough others; otherwise disturbed ones count"""
    models: Mapping[str, ModelFile]
    results: tuple[Result, ...]
    left_out: tuple[LeftOut, ...]

    def as_json(self) -> dict[str, Any]:
        """What ``bench.json`` holds."""
        return {
            "kind": KIND,
            "format": BENCH_FORMAT,
            "created": self.created,
            "device": dict(self.device),
            "versions": dict(self.versions),
            "duration_s": self.duration_s,
            "hop_s": self.hop_s,
            "references": self.references,
            "rounds": {"kept": self.rounds, "disturbed": self.disturbed, "quiet": self.quiet},
            "models": {label: asdict(model) for label, model in self.models.items()},
            "results": [self._result_json(result) for result in self.results],
            "left_out": [asdict(each) for each in self.left_out],
        }

    def real_time_factor(self, result: Result) -> float:
        """The time of computing over the time of the sound."""
        return 1.0 / (result.windows_per_s * self.models[result.combination.model].window_s)

    def _result_json(self, result: Result) -> dict[str, Any]:
        values = asdict(result)
        return {
            "name": result.combination.name,
            **values.pop("combination"),
            "size_bytes": self.models[result.combination.model].size_bytes,
            "windows_per_s": result.windows_per_s,
            "real_time_factor": self.real_time_factor(result),
            **values,
        }


def write_bench(bench: Bench, path: Path) -> None:
    """Write ``bench.json``.

    Raises:
        InputError: The folder cannot be written to.
    """
    with write_whole(path) as file:
        file.write((json.dumps(bench.as_json(), indent=2, allow_nan=False) + "\n").encode())
