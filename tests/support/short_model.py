"""The shipped model with a shorter window, made of its graph alone: what listens to it needs no PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.runtime.inference.model import shipped_model_path

SHORT_SAMPLES = 16_000
_SLICES_A_SECOND = 100
"""The graph cuts the waveform into slices of 10 ms; their number is the one thing that follows the window's length."""


def write_short_model(path: Path, samples: int = SHORT_SAMPLES) -> Path:
    """Write the shipped model with a window of a second, so that live tests need seconds.

    Args:
        path: Where the model is written.
        samples: The length of another window at 16 kHz, a multiple of 160.
    """
    model = onnx.load(shipped_model_path())
    (described,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    info = ModelInfo.from_json(described.value)
    described.value = replace(info, samples=samples).to_json()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = samples
    del model.graph.value_info[:]  # shapes on the way, which ONNX Runtime finds out for itself
    slices = round(_SLICES_A_SECOND * info.window_s)
    wanted = round(_SLICES_A_SECOND * samples / info.sample_rate_hz)
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.int64 and slices in values:
            weight.CopyFrom(numpy_helper.from_array(np.where(values == slices, wanted, values), weight.name))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path
