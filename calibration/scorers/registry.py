"""The scorers by name: each is an entry point of the group ``asd_edge.scorers``, of this package or of another.

Every one is fitted on normal sound alone, and all of it lies in the bank. Fitting may need scikit-learn; scoring needs
NumPy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration import plugins
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.scorer import Scorer, ScorerSpec


def scorer_names() -> list[str]:
    """The names of all scorers that are installed, found without importing them."""
    return plugins.names("scorers")


def require_scorer(name: str) -> ScorerSpec:
    """Import the scorer of a name.

    Raises:
        InputError: There is no scorer of that name, or its entry point names something else.
        ModuleNotFoundError: It needs a package that is not installed.
    """
    spec = plugins.load("scorers", name, "--scorer")
    if not isinstance(spec, ScorerSpec):
        raise InputError(
            f"The entry point of the scorer {name} names no ScorerSpec.",
            got=f"{type(spec).__name__}: {spec!r:.80}",
            valid="an object of asd_edge.runtime.ScorerSpec",
            next_step="mend the package that brings it, or choose another --scorer",
        )
    return spec


def fit_scorer(
    name: str, references: References, kept: NDArray[np.bool_] | None = None
) -> tuple[Scorer, NDArray[np.float64]]:
    """Fit a scorer and check what it gives.

    Args:
        name: The scorer's name.
        references: Normal windows.
        kept: (references,) which of them to compare with, for scorers that compare; all when left out.

    Returns:
        The scorer, and the leave-one-out scores of all references, (references,).

    Raises:
        InputError: There is no such scorer, it cannot be fitted to these references, or what it gives has another
            form than `ScorerSpec` says.
    """
    spec = require_scorer(name)
    scorer, scores = spec.fit(references) if kept is None else spec.fit(references, kept)
    if not (isinstance(scores, np.ndarray) and scores.dtype.kind == "f" and scores.shape == (len(references),)):
        form = f"{scores.dtype} of shape {scores.shape}" if isinstance(scores, np.ndarray) else type(scores).__name__
        raise _of_another_form(name, f"leave-one-out scores: {form}", f"floats of shape ({len(references)},)")
    if not (scores >= 0.0).all():
        raise _of_another_form(name, f"a leave-one-out score of {scores.min():g}", "scores of 0 or more")
    for key, array in scorer.arrays().items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise _of_another_form(name, f"'{key}': {type(array).__name__}", "NumPy arrays of numbers or text")
        if array.dtype.kind in "fc" and np.isnan(array).any():
            raise _of_another_form(name, f"'{key}': a value that is not a number", "arrays of numbers")
    return scorer, scores


def check_can_fit(name: str, rebuilds: bool, max_references: int | None) -> None:
    """Find out before anything is heard whether a scorer can be fitted here.

    Args:
        name: The scorer's name.
        rebuilds: Whether the model says how badly it rebuilt the window.
        max_references: How many references are to be kept; none to keep all.

    Raises:
        InputError: There is no such scorer, the model does not give what it needs, scikit-learn is missing, or the
            scorer does not look at single references.
    """
    spec = require_scorer(name)
    if spec.rebuilds and not rebuilds:
        raise InputError(
            f"The scorer {name} needs a model that rebuilds what it hears.",
            got="a model without the output reconstruction_error",
            valid=f"an autoencoder, or one of {', '.join(_names_where(lambda spec: not spec.rebuilds))}",
            next_step="try --scorer nearest, or another --model",
        )
    if spec.sklearn and importlib.util.find_spec("sklearn") is None:
        raise InputError(
            f"The scorer {name} is fitted with scikit-learn, which is not installed.",
            got="no module named sklearn",
            valid="scikit-learn where banks are enrolled; listening and scoring do not need it",
            next_step="pip install 'asd-edge[scorers]', or --scorer nearest",
        )
    if max_references is not None and not spec.compares:
        raise InputError(
            f"The scorer {name} does not look at single references, so keeping fewer would make nothing faster.",
            got=f"--max-references {max_references}",
            valid=f"with {' or '.join(_names_where(lambda spec: spec.compares))}",
            next_step="leave --max-references away",
        )


def _names_where(fits: Callable[[ScorerSpec], bool]) -> list[str]:
    """The names of the scorers of which this is true; those whose packages are not installed are passed over."""
    found = []
    for name in scorer_names():
        try:
            if fits(require_scorer(name)):
                found.append(name)
        except (ImportError, InputError):
            continue
    return found


def _of_another_form(name: str, got: str, valid: str) -> InputError:
    return InputError(
        f"The scorer {name} gives something of another form.",
        got=got,
        valid=valid,
        next_step="mend the scorer, or choose another with --scorer",
    )
