"""How good and how costly: quality on recordings of machines, and what the runtime takes of the computer it runs on.

What a program needs is here; names are imported when they are first used::

    from asd_edge.benchmarks import EvaluateSettings, evaluate

    for evaluation in evaluate(EvaluateSettings("results", "recordings", scorers=("nearest", "gmm"))):
        print(evaluation.method, evaluation.official_score)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asd_edge.benchmarks.evaluation.evaluate import evaluate
    from asd_edge.benchmarks.evaluation.known_faults import evaluate_banks
    from asd_edge.benchmarks.evaluation.results import Evaluation, MachineResult
    from asd_edge.benchmarks.evaluation.settings import EvaluatedModels, EvaluateSettings

_HOMES = {
    "EvaluateSettings": "settings",
    "EvaluatedModels": "settings",
    "Evaluation": "results",
    "MachineResult": "results",
    "evaluate": "evaluate",
    "evaluate_banks": "known_faults",
}
"""The module of `asd_edge.benchmarks.evaluation` that each name is in."""

__all__ = ["EvaluateSettings", "EvaluatedModels", "Evaluation", "MachineResult", "evaluate", "evaluate_banks"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.evaluation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
