"""Models that break the contract, each in one thing: made by hand from a small one that keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import TensorProto, helper, numpy_helper

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo

SAMPLES, DIMENSIONS = 1600, 4


def write_odd_model(
    path: Path,
    given: str = "float[batch, 1600] waveform",
    result: str = "float[batch, 4] embedding",
    begin: str = "sound = Identity (waveform)",
    end: str = "embedding = Identity (product)",
    described: str | None = None,
) -> Path:
    """Write a model whose embedding is a product with a small matrix.

    Args:
        path: Where the model is written.
        given: The inputs.
        result: The outputs.
        begin: What makes ``sound``, (batch, 1600) float32, of the inputs.
        end: What makes the outputs of ``product``, (batch, 4) float32.
        described: The description in the metadata; one that is right when left out.
    """
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 17]> odd ({given}) => ({result})
        {{ {begin}
           product = MatMul (sound, weights)
           {end} }}"""
    )
    weights = np.random.default_rng(0).normal(0.0, 0.1, (SAMPLES, DIMENSIONS)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    text = ModelInfo("odd", SAMPLES, DIMENSIONS).to_json() if described is None else described
    helper.set_model_props(model, {METADATA_KEY: text})
    path.write_bytes(model.SerializeToString())
    return path


def put_outside(path: Path, name: str = "weights.bin", write: bool = True) -> Path:
    """Move the weights of such a model into another file.

    Args:
        path: The path of the model, which is written anew.
        name: What the model calls the file.
        write: Whether to write the file.
    """
    model = onnx.load(path)
    (weights,) = model.graph.initializer
    content = weights.raw_data
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": name, "offset": "0", "length": str(len(content))}.items():
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    outside = Path(os.path.normpath(path.parent / name))
    if write:
        outside.parent.mkdir(parents=True, exist_ok=True)
        outside.write_bytes(content)
    return outside
