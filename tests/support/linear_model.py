"""A model of the contract that is one product with a large matrix: quick to make, and large enough for a cache."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo

SAMPLES, DIMENSIONS = 16_000, 300
FloatArray = NDArray[np.float32]


@functools.cache
def linear_weights(seed: int) -> FloatArray:
    """(samples, dim)"""
    return np.random.default_rng(seed).normal(0.0, 0.01, (SAMPLES, DIMENSIONS)).astype(np.float32)


def write_linear_model(
    path: Path, seed: int = 0, precision: str = "fp32", off_by: float = 0.0, dimensions: int = DIMENSIONS
) -> Path:
    """Write ``embedding = waveform @ linear_weights(seed)``, 19 MB; files of all seeds have the same size.

    Args:
        path: Where to.
        seed: Of the weights.
        precision: What the file says of itself.
        off_by: Share of other weights that is mixed in, as if these were badly rounded.
        dimensions: How many of the weights' columns are taken.
    """
    info = ModelInfo("linear", SAMPLES, dimensions, precision)
    weights = linear_weights(seed)
    if off_by:
        weights = weights + np.float32(off_by) * linear_weights(seed + 1)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["waveform", "weights"], ["embedding"])],
        "linear",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", SAMPLES])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimensions])],
        [numpy_helper.from_array(np.ascontiguousarray(weights[:, :dimensions]), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: info.to_json()})
    onnx.save(model, path)
    return path
