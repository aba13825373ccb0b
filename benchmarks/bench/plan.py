"""The plan of a benchmark: the combinations that are to be measured, and what is left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd_edge.benchmarks.bench.settings import BenchSettings
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.inference.cuda_graph import GRAPH_SETTINGS

_WITHOUT_THREADS = (*GRAPH_SETTINGS, "coreml")
"""Providers that do not run on threads of the processor."""


@dataclass(frozen=True)
class Combination:
    """One way to run a model."""

    model: str
    """the label of the model"""
    precision: str
    provider: str
    threads: int
    """the threads on the processor; 0 takes one per physical core"""
    batch: int

    @property
    def name(self) -> str:
        """The name of the combination, for people and to find it again in another run."""
        threads = {0: "all threads", 1: "1 thread"}.get(self.threads, f"{self.threads} threads")
        parts = [self.model, self.precision, self.provider]
        parts += [threads] if runs_on_threads(self.provider) else []
        return ", ".join([*parts, f"batch {self.batch}"] if self.batch > 1 else parts)


@dataclass(frozen=True)
class LeftOut:
    """Something that was asked for and is not measured."""

    name: str
    reason: str
    next_step: str = ""

    @classmethod
    def because(cls, name: str, error: InputError) -> LeftOut:
        """Say why something is left out, by the error that it raised.

        Args:
            name: What is left out.
            error: The error; line breaks in it are dropped.
        """
        reason = f"{error.what} {error.got}".strip()
        return cls(name, " ".join(reason.split()), error.next_step)


def runs_on_threads(provider: str) -> bool:
    """Whether a provider runs on threads of the processor, so that their number matters."""
    return provider not in _WITHOUT_THREADS


def combinations(
    settings: BenchSettings, precisions: Mapping[str, str], providers: Sequence[str]
) -> Iterator[Combination]:
    """Name everything that is to be tried.

    Args:
        settings: What is to be measured.
        precisions: The precision of each model, by its label.
        providers: The execution providers that are installed.
    """
    for (model, precision), provider in itertools.product(precisions.items(), providers):
        threads = settings.threads if runs_on_threads(provider) else (0,)
        for count, batch in itertools.product(dict.fromkeys(threads), dict.fromkeys(settings.batches)):
            yield Combination(model, precision, provider, count, batch)


def labels(models: tuple[str, ...]) -> dict[str, str]:
    """Give each model a short name, by which it is called from here on: label -> path."""
    models = tuple(dict.fromkeys(models))
    stems = [Path(model).stem for model in models]
    return {stem if stems.count(stem) == 1 else model: model for stem, model in zip(stems, models, strict=True)}
