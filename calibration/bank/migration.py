"""Banks of an older format: what they lack is worked out when they are read, and written when they are next saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.bank_file import BANK_FORMAT
from asd_edge.calibration.contract.moments import Moments

EARLIER_MODELS = Path(__file__).with_name("earlier_models.npz")
"""For every `logmel` that a version writing format 2 brought, by the SHA-256 of its file, the embeddings that it gives
for the known sounds, (sounds, dim) float32. The shipped model has to give the same, or banks in the field are lost."""


def migrate(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Bring the content of a bank's file to the present format, in place.

    Args:
        values: The description.
        arrays: The arrays by name.

    Raises:
        ValueError: The content is not of the format that it says.
    """
    if values["format"] == 2:
        _remember_the_left_out(arrays)
        _remember_the_model(values, arrays)
    values["format"] = BANK_FORMAT


def _remember_the_model(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Give the bank what its model makes of known sounds, where that is a model which this package once brought."""
    digest = values.get("model_sha256")
    with np.load(EARLIER_MODELS, allow_pickle=False) as known:
        if isinstance(digest, str) and digest in known.files:
            arrays["probe"] = known[digest]


def _remember_the_left_out(arrays: dict[str, NDArray[Any]]) -> None:
    """Find the moments of the windows that were left out.

    Format 2 kept nothing of them but their scores. Where its scorer normalises, mean and deviation were those of all
    windows when some were left out, the references among them; what is left is that of the others. An enrolment that
    was cut off has no scorer, and nothing is known then.
    """
    wanted = ("embeddings", "left_out_scores", "scorer_mean", "scorer_deviation")
    if not all(name in arrays for name in wanted):
        return
    embeddings, out, mean, deviation = (arrays[name].astype(np.float64) for name in wanted)
    if embeddings.ndim != 2 or out.ndim != 1 or not out.size or {mean.shape, deviation.shape} != {embeddings.shape[1:]}:
        raise ValueError("its arrays do not fit together")
    references = Moments.of(embeddings)
    # A dimension that does not vary was given the deviation 1.
    varies = (deviation != 1.0) | (references.squares > 0.0)
    count = len(embeddings) + len(out)
    whole = Moments(count, mean, np.where(varies, deviation**2 * count, 0.0))
    forgotten = whole.without(references)
    arrays["forgotten_mean"], arrays["forgotten_squares"] = forgotten.mean, forgotten.squares
