"""Small models as others make them: log energies of random filters, in every shape that an ONNX file may have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import numpy_helper

FloatArray = NDArray[np.float32]

SAMPLES, HOP, FILTERS = 16_000, 160, 12
FRAMES = SAMPLES // HOP
WEIGHTS: FloatArray = np.random.default_rng(0).normal(0.0, 1.0, (HOP, FILTERS)).astype(np.float32)


def frames_of(window: FloatArray) -> FloatArray:
    """What these models compute of a window: (samples,) to (frames, filters)."""
    return np.asarray(np.log(np.abs(window.reshape(-1, HOP) @ WEIGHTS) + np.float32(0.01)))


def write_foreign_model(
    path: Path,
    given: str = "float[N, 16000] sound",
    framed: str = "-1, 100, 160",
    result: str = "float[N, 12] features",
    end: str = "features = ReduceMean <axes = [1], keepdims = 0> (energies)",
    *,
    opset: int = 17,
    ir_version: int = 8,
) -> Path:
    """Write a model.

    Args:
        path: Where to.
        given: Its inputs.
        framed: The shape that cuts the first of them into frames.
        result: Its outputs.
        end: What makes them of ``energies``, (..., frames, filters).
        opset: The version of the operators.
        ir_version: The version of the format.
    """
    sound = given.partition(",\n")[0].split()[-1]
    model = onnx.parser.parse_model(
        f"""<ir_version: {ir_version}, opset_import: ["": {opset}]>
        foreign ({given}) => ({result})
        <int64[{framed.count(",") + 1}] shape = {{{framed}}}, float floor = {{0.01}}>
        {{
            framed = Reshape (sound_in, shape)
            filtered = MatMul (framed, weights)
            magnitudes = Abs (filtered)
            floored = Add (magnitudes, floor)
            energies = Log (floored)
            {end}
        }}""".replace("sound_in", sound)
    )
    model.graph.initializer.append(numpy_helper.from_array(WEIGHTS, "weights"))
    path.write_bytes(model.SerializeToString())
    return path
