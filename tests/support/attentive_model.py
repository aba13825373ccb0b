"""A model of the contract with attention, which few providers besides the CPU run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo

SAMPLES, FRAMES, WIDTH, HEADS, LAYERS = 16_000, 100, 48, 3, 3


def write_attentive_model(path: Path) -> Path:
    """Write three layers of self-attention over frames of 10 ms, and the mean over the frames as the embedding."""
    rng = np.random.default_rng(0)

    def weights(name: str, rows: int, columns: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(0.0, rows**-0.5, (rows, columns)).astype(np.float32), name)

    hop = SAMPLES // FRAMES
    constants = [
        numpy_helper.from_array(np.array([-1, FRAMES, hop]), "frames"),
        numpy_helper.from_array(np.array([1]), "time"),
        weights("encoder", hop, WIDTH),
    ]
    nodes = [
        helper.make_node("Reshape", ["waveform", "frames"], ["framed"]),
        helper.make_node("MatMul", ["framed", "encoder"], ["layer0"]),
    ]
    for layer in range(LAYERS):
        parts = [f"{part}{layer}" for part in ("query", "key", "value")]
        for part in parts:
            constants.append(weights(f"{part}_weights", WIDTH, WIDTH))
            nodes.append(helper.make_node("MatMul", [f"layer{layer}", f"{part}_weights"], [part]))
        heads = {"q_num_heads": HEADS, "kv_num_heads": HEADS}
        nodes.append(helper.make_node("Attention", parts, [f"attended{layer}"], **heads))
        nodes.append(helper.make_node("Add", [f"attended{layer}", f"layer{layer}"], [f"layer{layer + 1}"]))
    nodes.append(helper.make_node("ReduceMean", [f"layer{LAYERS}", "time"], ["embedding"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "attentive",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", SAMPLES])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
        constants,
    )
    opset = 23  # the first with Attention
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: ModelInfo("attentive", SAMPLES, WIDTH, opset=opset).to_json()})
    onnx.save(model, path)
    return path
