"""A model in half precision that works while it is quiet: loud sound overflows what the format can hold."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx.parser
from onnx import helper

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo

SAMPLES, DIMENSIONS = 16_000, 8
LOUD = 0.7
"""The RMS from which on every value of an embedding is infinite: 2000 samples, times 100, above 65504."""


def write_overflowing_model(path: Path) -> Path:
    """Write a model whose embedding is the energy of each eighth of a second, a hundredfold, in half precision."""
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 17]>
        overflowing (float[batch, {SAMPLES}] waveform) => (float[batch, {DIMENSIONS}] embedding)
        <int64[3] shape = {{-1, {DIMENSIONS}, {SAMPLES // DIMENSIONS}}}, float scale = {{100.0}}>
        {{
            parts = Reshape (waveform, shape)
            energies = ReduceSumSquare <axes = [2], keepdims = 0> (parts)
            scaled = Mul (energies, scale)
            half = Cast <to = 10> (scaled)
            embedding = Cast <to = 1> (half)
        }}"""
    )
    info = ModelInfo("overflowing", SAMPLES, DIMENSIONS, precision="fp16")
    helper.set_model_props(model, {METADATA_KEY: info.to_json()})
    path.write_bytes(model.SerializeToString())
    return path
