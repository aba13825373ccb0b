"""What `asd-edge bench` is to measure: the settings, and the combinations of them that exist here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.audio.windowing import require_hop
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.inference.cuda_graph import GRAPH_SETTINGS
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL
from asd_edge.runtime.inference.providers import require_known

_WITHOUT_THREADS = (*GRAPH_SETTINGS, "coreml")
"""Providers that do not run on threads of the processor."""


@dataclass(frozen=True)
class BenchSettings:
    """What to measure, every model with every provider, batch and number of threads."""

    models: tuple[str, ...] = (DEFAULT_MODEL,)
    """as of `Model`"""
    providers: tuple[str, ...] = ()
    """short names; all that are installed when left out"""
    precisions: tuple[str, ...] = ()
    """of the models given, only those; all when left out"""
    batches: tuple[int, ...] = (1,)
    """windows that are embedded at once"""
    threads: tuple[int, ...] = (0,)
    """as of `Model`"""
    duration_s: float = 20.0
    """how long each combination is timed, and again how long microphones are tried with it"""
    hop_s: float = 10.0
    """of the microphones"""
    data: Path | None = None
    """recordings in the layout of DCASE Task 2, for the AUC of every model and provider"""
    cache: bool = True
    """as of `Model`"""

    def __post_init__(self) -> None:
        require_hop(self.hop_s)
        if not 0.0 < self.duration_s < float("inf"):
            raise InputError(
                "There is no time to measure in.",
                got=f"a duration of {self.duration_s:g} s",
                valid="seconds above 0",
                next_step="try --duration 20",
            )
        for name, numbers, least in (("batch", self.batches, 1), ("threads", self.threads, 0)):
            if min(numbers) < least:
                raise InputError(
                    f"There is no such number for --{name}.",
                    got=min(numbers),
                    valid=f"{least} or more",
                    next_step=f"try --{name} 1",
                )
        for provider in self.providers:
            require_known(provider)


@dataclass(frozen=True)
class Combination:
    """One way to run a model."""

    model: str
    """its label"""
    precision: str
    provider: str
    threads: int
    """on the processor; 0 takes one per physical core"""
    batch: int

    @property
    def name(self) -> str:
        """For people, and to find it again in another run."""
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
        """Of what could not be done, without its line breaks."""
        reason = f"{error.what} {error.got}".strip()
        return cls(name, " ".join(reason.split()), error.next_step)


def runs_on_threads(provider: str) -> bool:
    """Whether a provider runs on threads of the processor, so that their number matters."""
    return provider not in _WITHOUT_THREADS


def combinations(
    settings: BenchSettings, precisions: Mapping[str, str], providers: Sequence[str]
) -> Iterator[Combination]:
    """Everything that is to be tried.

    Args:
        settings: The wish.
        precisions: Of each model, by its label.
        providers: That are installed.
    """
    for (model, precision), provider in itertools.product(precisions.items(), providers):
        threads = settings.threads if runs_on_threads(provider) else (0,)
        for count, batch in itertools.product(dict.fromkeys(threads), dict.fromkeys(settings.batches)):
            yield Combination(model, precision, provider, count, batch)


def labels(models: tuple[str, ...]) -> dict[str, str]:
    """A short name for each model, by which it is called from here on, and its path: label -> path."""
    models = tuple(dict.fromkeys(models))
    stems = [Path(model).stem for model in models]
    return {stem if stems.count(stem) == 1 else model: model for stem, model in zip(stems, models, strict=True)}
