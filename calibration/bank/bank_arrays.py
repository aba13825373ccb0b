"""The arrays of a bank by the names that they have in its file, and what each of them has to be.

Another array is one more entry here, `optional` where banks were written without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.answers import Answered
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.contract.array_kind import ArrayKind, check_arrays
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import LeftOut, References
from asd_edge.calibration.scorers.registry import require_scorer
from asd_edge.calibration.scorers.scorer import Scorer

_LATEST_S = 1e12
"""The latest start of a window in its recording, in seconds: thirty thousand years."""
_SCORER = "scorer_"
"""What the names of the scorer's own arrays begin with."""
_KINDS: dict[str, ArrayKind] = {
    "embeddings": ArrayKind(np.float32, ("references", "dim")),
    "recordings": ArrayKind(np.int32, ("references",), least=0),
    "starts_s": ArrayKind(np.float64, ("references",), least=-_LATEST_S, most=_LATEST_S),
    "reference_scores": ArrayKind(np.float64, ("scored",), least=0.0, infinite=True),
    "reconstruction_errors": ArrayKind(np.float64, ("references",), least=0.0, optional=True),
    "left_out_recordings": ArrayKind(np.int32, ("left out",), least=0, optional=True, beside="left_out_scores"),
    "left_out_starts_s": ArrayKind(
        np.float64, ("left out",), least=-_LATEST_S, most=_LATEST_S, optional=True, beside="left_out_scores"
    ),
    "left_out_scores": ArrayKind(np.float64, ("left out",), least=0.0, infinite=True, optional=True),
    "left_out_embeddings": ArrayKind(np.float32, ("held", "dim"), optional=True),
    "left_out_reconstruction_errors": ArrayKind(np.float64, ("held",), least=0.0, optional=True),
    "forgotten_mean": ArrayKind(np.float64, ("dim",), optional=True, beside="forgotten_squares"),
    "forgotten_squares": ArrayKind(np.float64, ("dim",), least=0.0, optional=True),
    "probe": ArrayKind(np.float32, ("sounds", "dim"), optional=True),
    "answered_numbers": ArrayKind(np.int32, ("answered",), least=0, optional=True, beside="answered_starts_s"),
    "answered_recordings": ArrayKind(np.int32, ("answered",), least=0, optional=True, beside="answered_starts_s"),
    "answered_picked": ArrayKind(np.bool_, ("answered",), optional=True, beside="answered_starts_s"),
    "answered_sessions": ArrayKind(np.int32, ("answered",), least=-1, optional=True, beside="answered_starts_s"),
    "answered_starts_s": ArrayKind(np.float64, ("answered",), least=-_LATEST_S, most=_LATEST_S, optional=True),
    "fault_numbers": ArrayKind(np.int32, ("faults",), least=0, optional=True, beside="fault_embeddings"),
    "fault_embeddings": ArrayKind(np.float32, ("faults", "dim"), optional=True),
    "fault_reconstruction_errors": ArrayKind(np.float64, ("faults",), least=0.0, optional=True),
}


def arrays_of(
    references: References,
    reference_scores: NDArray[np.float64],
    left_out: LeftOut | None,
    fitted: Scorer | None,
    probe: FloatArray | None,
    answered: Answered | None = None,
) -> dict[str, NDArray[Any]]:
    """All arrays of a bank by name; the arguments are its parts, see `asd_edge.calibration.bank.bank.Bank`."""
    held = forgotten = None
    arrays: dict[str, NDArray[Any] | None] = {
        "embeddings": references.embeddings,
        "recordings": references.timeline.recordings,
        "starts_s": references.timeline.starts_s,
        "reference_scores": reference_scores,
        "reconstruction_errors": references.reconstruction_errors,
        "probe": probe,
    }
    if left_out is not None:
        held, forgotten = left_out.held, left_out.forgotten
        arrays["left_out_recordings"] = left_out.timeline.recordings
        arrays["left_out_starts_s"] = left_out.timeline.starts_s
        arrays["left_out_scores"] = left_out.scores
    if held is not None:
        arrays["left_out_embeddings"] = held.embeddings
        arrays["left_out_reconstruction_errors"] = held.reconstruction_errors
    if forgotten is not None:
        arrays["forgotten_mean"], arrays["forgotten_squares"] = forgotten.mean, forgotten.squares
    if answered is not None and len(answered.numbers):
        arrays["answered_numbers"] = answered.numbers
        arrays["answered_recordings"] = answered.timeline.recordings
        arrays["answered_starts_s"] = answered.timeline.starts_s
        arrays["answered_picked"] = answered.picked
        arrays["answered_sessions"] = answered.sessions
    if answered is not None and len(answered.faults):
        arrays["fault_numbers"], arrays["fault_embeddings"] = answered.fault_numbers, answered.faults
        arrays["fault_reconstruction_errors"] = answered.fault_errors
    if fitted is not None:
        arrays |= {f"{_SCORER}{name}": array for name, array in fitted.arrays().items()}
    return {name: array for name, array in arrays.items() if array is not None}


def scorer_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The scorer's own arrays, by the names that it knows them by."""
    return {name.removeprefix(_SCORER): array for name, array in arrays.items() if name.startswith(_SCORER)}


def check_bank_arrays(info: BankInfo, arrays: Mapping[str, NDArray[Any]], fitted: bool) -> None:
    """See that the arrays of a bank are what they should be, and fit together and to its description.

    Args:
        info: The description.
        arrays: The arrays by name.
        fitted: Whether there is a scorer.

    Raises:
        ValueError: An array is missing, or is something else.
    """
    embeddings = arrays.get("embeddings")
    lengths = {"scored": len(embeddings) if fitted and embeddings is not None and embeddings.ndim else 0}
    check_arrays(arrays, _KINDS, lengths)
    for name in ("answered_numbers", "fault_numbers"):
        if name in arrays and arrays[name].max() >= len(info.answers):
            raise ValueError(f"its array '{name}' names an answer that there is not")
    for name in ("recordings", "left_out_recordings", "answered_recordings"):
        if name in arrays and arrays[name].max() >= len(info.recordings):
            raise ValueError(f"its array '{name}' names a recording that there is not")
    if lengths.get("held", 0) > lengths.get("left out", 0):
        raise ValueError("its array 'left_out_embeddings' has more windows than were left out")
    if info.threshold is not None and not fitted:
        raise ValueError("it has a threshold, and no scorer")
    if fitted:
        check_arrays(scorer_arrays(arrays), require_scorer(info.scorer).arrays, lengths)
