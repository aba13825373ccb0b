"""The models of a benchmark, each with what it is measured with: sound, a bank and its own embeddings in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd_edge.benchmarks.bench.plan import LeftOut, labels
from asd_edge.benchmarks.bench.settings import BenchSettings
from asd_edge.calibration.audio.generated import generated_windows
from asd_edge.calibration.bank.bank import Bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording, References, Timeline
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import Model

REFERENCES = 1_000
"""The windows in the bank of every score: nearly three hours at a hop of 10 s."""


@dataclass(frozen=True)
class ModelFile:
    """A model that was measured."""

    sha256: str
    recipe: str
    precision: str
    size_bytes: int
    window_s: float
    dimensions: int


@dataclass(frozen=True, eq=False)
class Subject:
    """A model with what it is measured with."""

    path: Path
    info: ModelInfo
    file: ModelFile
    windows: FloatArray
    """generated sound, (windows, samples)"""
    bank: Bank
    """a bank of random references, as many as `REFERENCES`, compared with by the nearest"""
    reference: FloatArray | None
    """its embeddings of the windows on the CPU, (windows, dim); none where the model is not in float32"""


def load_subjects(settings: BenchSettings, progress: Callable[[str], None]) -> dict[str, Subject]:
    """Load every model once, on the CPU.

    Args:
        settings: What is measured.
        progress: Called with what is being done.

    Returns:
        The models by label.

    Raises:
        InputError: A model cannot be read.
    """
    subjects: dict[str, Subject] = {}
    for label, name in labels(settings.models).items():
        progress(f"loading {label}")
        model = Model(name, "cpu", cache=settings.cache)
        subjects[label] = _subject(model)
    return subjects


def chosen_precisions(settings: BenchSettings, subjects: Mapping[str, Subject]) -> tuple[dict[str, str], list[LeftOut]]:
    """The precision of each model that is to be measured, by label, and those that no model has.

    Raises:
        InputError: No model has a precision that was asked for.
    """
    precisions = {label: subject.info.precision for label, subject in subjects.items()}
    if not settings.precisions:
        return precisions, []
    missing = [precision for precision in settings.precisions if precision not in precisions.values()]
    if len(missing) == len(settings.precisions):
        raise InputError(
            "None of the models is in that precision.",
            got=", ".join(missing),
            valid=", ".join(sorted(set(precisions.values()))),
            next_step="give a model exported with that --precision, with --model",
        )
    wanted = {label: precision for label, precision in precisions.items() if precision in settings.precisions}
    advice = "give one exported with that --precision, with --model"
    return wanted, [LeftOut(precision, "no model in this precision was given", advice) for precision in missing]


def _subject(model: Model) -> Subject:
    info = model.info
    windows = generated_windows(info.samples)
    file = ModelFile(
        model.sha256, info.recipe, info.precision, model.path.stat().st_size, info.window_s, info.dimensions
    )
    reference = None
    if info.precision == "fp32":
        reference = np.stack([model.embed(window).embedding for window in windows])
    return Subject(model.path, info, file, windows, _bank(model), reference)


def _bank(model: Model) -> Bank:
    """Make random references: what a score costs does not depend on what they are."""
    info = model.info
    embeddings = np.random.default_rng(0).standard_normal((REFERENCES, info.dimensions), dtype=np.float32)
    timeline = Timeline(
        np.zeros(REFERENCES, np.int32), info.window_s * np.arange(REFERENCES, dtype=np.float64), info.window_s
    )
    references = References(embeddings, timeline, np.full(REFERENCES, "", np.str_))
    recordings = (Recording("random", "random references"),)
    described = BankInfo(model.sha256, model.description, info.window_s, info.window_s, recordings=recordings)
    return make_bank(described, references)
