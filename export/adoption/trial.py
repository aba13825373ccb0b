"""Running a model, to find out whether its embeddings can be relied on."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.errors import ModelError

FloatArray = NDArray[np.float32]

MAX_RELATIVE_ERROR = 1e-3
"""The largest difference between embeddings that should be equal, relative to their deviation over the sounds."""
_SMALLEST_SPREAD = 1e-6
"""The smallest difference between embeddings, relative to their largest value; with less they count as the same."""
_TIMED_RUNS = 5
_ERROR_CHARACTERS = 200
"""The number of characters of an error of ONNX Runtime that a message shows."""


class Trial:
    """A model that ONNX Runtime has loaded on the CPU, to try it.

    Args:
        content: The content of the ONNX file.

    Raises:
        ModelError: ONNX Runtime cannot load the model.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime  # whichever build is installed

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.x64quantprecision", "1")  # as the device does
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(
                "ONNX Runtime cannot load the model.",
                got=_shortened(error),
                valid="a model of standard operators, in a version that this ONNX Runtime knows",
                next_step="pip install --upgrade onnxruntime, or export it again with opset_version=18",
            ) from error
        (self._input,), (self._output,) = self._session.get_inputs(), self._session.get_outputs()

    def run(self, sound: FloatArray) -> NDArray[Any]:
        """Run the model on sound in its own shape.

        Raises:
            ModelError: The model does not run on it.
        """
        try:
            (output,) = self._session.run(None, {self._input.name: sound})
        except Exception as error:
            raise ModelError(
                "The model does not run on sound of this length.",
                got=f"shape {sound.shape}: {_shortened(error)}",
                valid="a model of standard operators that takes one window of sound",
                next_step="choose another length with --window, or look at what the model expects",
            ) from error
        return np.asarray(output)

    def seconds(self, sound: FloatArray) -> float:
        """Measure how long a run takes: the median of several, in seconds."""
        took_s = []
        for _ in range(_TIMED_RUNS):
            began = time.perf_counter()
            self.run(sound)
            took_s.append(time.perf_counter() - began)
        return statistics.median(took_s)


def require_sound_embeddings(embeddings: FloatArray, again: FloatArray) -> None:
    """Refuse a model that gives something else than an embedding of what it hears.

    Args:
        embeddings: The embeddings of different sounds, ``(sounds, dim)``.
        again: The embeddings of the same sounds in a second run, ``(sounds, dim)``.

    Raises:
        ModelError: The embeddings are not finite, not repeatable, or all the same.
    """
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise ModelError(
            "The model gives values that are not finite.",
            got=f"NaN or infinity for {np.count_nonzero(~finite)} of {len(embeddings)} generated sounds",
            valid="finite numbers for every sound in [-1, 1]",
            next_step="look for a logarithm, a division or a root without a floor, and export the model again",
        )
    spread = float(np.ptp(embeddings, axis=0).max())
    if spread <= _SMALLEST_SPREAD * float(np.abs(embeddings).max()):
        raise ModelError(
            "The model gives the same embedding for every sound.",
            got=f"{len(embeddings)} different sounds, one embedding",
            valid="an embedding that depends on the sound",
            next_step="name another output with --embedding, or look whether the weights were loaded before the export",
        )
    if not equal_embeddings(again, embeddings):
        raise ModelError(
            "The model gives another embedding when it hears the same sound again.",
            got=f"a difference of up to {np.abs(again - embeddings).max():.2g}",
            valid="the same embedding every time",
            next_step="call model.eval() before torch.onnx.export, and leave out dropout and other randomness",
        )


def equal_embeddings(found: FloatArray, expected: FloatArray) -> bool:
    """Tell whether embeddings of the same sounds, ``(sounds, dim)`` each, are equal but for rounding."""
    if found.shape != expected.shape:
        return False
    deviation = float(expected.std(axis=0).mean())
    return bool(np.abs(found - expected).max() <= MAX_RELATIVE_ERROR * deviation)


def _shortened(error: Exception) -> str:
    text = " ".join((str(error).strip() or type(error).__name__).split())
    return (
        text
        if len(text) <= _ERROR_CHARACTERS
        else f"{text[: _ERROR_CHARACTERS // 2]} ... {text[-_ERROR_CHARACTERS // 2 :]}"
    )
