"""What a model says of one window: all that a scorer may look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """One window after the model."""

    embedding: FloatArray
    """(dim,)"""
    reconstruction_error: float | None = None
    """how badly an autoencoder rebuilt the window; none from models that rebuild nothing"""
