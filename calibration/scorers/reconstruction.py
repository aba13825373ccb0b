"""The score of models that rebuild the window: how badly they do it.

[MM]: Zhao, Yan, Zhao, Zhang, Lei, "Multi-modal acoustic anomaly detection via reconstruction and discriminative
learning with BEATs representations", DCASE 2025 Challenge technical report: its system 3 scores by the mean squared
error.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.scorers.scorer import ScorerSpec

_Error = TypeVar("_Error", float, NDArray[np.float64])


class Reconstruction:
    """How badly the model rebuilds a window. Nothing is learned: the references serve the threshold only."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing."""
        return {}

    def score(self, output: ModelOutput) -> float:
        """The anomaly score of one window."""
        return float(required_error(output.reconstruction_error))


def fit(references: References) -> tuple[Reconstruction, NDArray[np.float64]]:
    """Take the model's own score.

    Returns:
        The scorer, and the reconstruction error of each reference. Leaving it out changes nothing here; whether the
        model was trained on the same sound, and rebuilds it better than new normal sound, only who trained it knows.

    Raises:
        ModelError: The model gives no reconstruction error.
    """
    return Reconstruction(), required_error(references.reconstruction_errors)


def required_error(error: _Error | None) -> _Error:
    """The reconstruction error of a window, or of all references.

    Raises:
        ModelError: There is none.
    """
    if error is None:
        raise ModelError(
            "The scorer needs the model's reconstruction error, and this model rebuilds nothing.",
            got="a model without the output reconstruction_error",
            valid="an autoencoder",
            next_step="choose another --scorer, or a model that was trained to rebuild its input",
        )
    return error


SPEC = ScorerSpec(
    "how badly the model rebuilds the window", fit, lambda _, __: Reconstruction(), learns=False, rebuilds=True
)
