"""How well faults are found: the command `asd-edge evaluate`, and the same from Python.

Names are imported when they are first used, since the command line reads this package for its help::

    from asd_edge.benchmarks.evaluate import evaluate
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asd_edge.benchmarks.evaluate.evaluation import evaluate, evaluate_scores, load_models
    from asd_edge.benchmarks.evaluate.results import Evaluation
    from asd_edge.benchmarks.evaluate.usable_clips import EvaluateSettings

_HOMES = {
    "EvaluateSettings": "usable_clips",
    "Evaluation": "results",
    "evaluate": "evaluation",
    "evaluate_scores": "evaluation",
    "load_models": "evaluation",
}

__all__ = ["EvaluateSettings", "Evaluation", "evaluate", "evaluate_scores", "load_models"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
