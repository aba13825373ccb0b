"""From a BEATs checkpoint to the model file, in one call."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from typing import cast

from asd_edge.calibration.atomic_files import check_writable
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError
from asd_edge.export.beats import BeatsExport
from asd_edge.export.beats.embedder import BeatsEmbedder, build_beats
from asd_edge.export.beats.encoder import EncoderLayer
from asd_edge.export.beats.int8 import to_int8
from asd_edge.export.certification_clips import generated_clips, recorded_clips
from asd_edge.export.onnx_file import export_model, size_bytes

log = logging.getLogger(__name__)

PRECISIONS = {"fp32": 1, "fp16": 2, "int8": 4}
"""The number formats of the large products, and how many times smaller than float32 each is."""

_TARGETS = {"fp32": ("cpu", "cuda"), "fp16": ("cuda",), "int8": ("cpu",)}
"""The execution providers that each format can be exported for; the default comes first."""


def export_beats(chosen: BeatsExport) -> ModelInfo:
    """Write BEATs with a pooling as one ONNX file, whole or not at all.

    Args:
        chosen: The settings: what is exported, and how; `asd_edge.export.beats.pooling` has the poolings.

    Returns:
        What the file says of itself, with the difference from PyTorch in float32 that was measured.

    Raises:
        ModelError: The checkpoint or the head cannot be used, or the precision costs too much.
        InputError: There is no such pooling, precision or target, the window is too short, the recordings cannot be
            used, or the path cannot be written.
    """
    precision, output = chosen.precision, chosen.output
    if precision not in PRECISIONS:
        raise InputError(
            "There is no such precision.",
            got=precision,
            valid=", ".join(PRECISIONS),
            next_step="try --precision int8 for a CPU, fp16 for a GPU",
        )
    target = chosen.target or _TARGETS[precision][0]
    if target not in _TARGETS[precision]:
        raise InputError(
            f"There is no graph in {precision} for this target.",
            got=target,
            valid=" or ".join(_TARGETS[precision]),
            next_step="leave --target away, or choose another --precision",
        )
    check_writable(output)
    import onnxruntime  # noqa: F401  where it is not installed, this shows now and not after minutes of rounding

    log.info("Reading %s ...", chosen.checkpoint)
    module, info = build_beats(
        chosen.checkpoint, chosen.pooling, chosen.head, chosen.layers, chosen.window_s, target, chosen.mel_blocks
    )
    check_writable(output, size_bytes(module) // PRECISIONS[precision])
    clips = recorded_clips(chosen.calibration, info.samples) if chosen.calibration else generated_clips(info.samples)
    if precision == "fp32":
        return export_model(module, info, output, clips)
    less = to_int8(module, clips.calibration, clips.check) if precision == "int8" else _to_fp16(module)
    return export_model(less, replace(info, precision=precision), output, clips, reference=module)


def _to_fp16(module: BeatsEmbedder) -> BeatsEmbedder:
    """Copy a model with its large products in float16; front end, sums, norms, softmax and pooling stay in float32."""
    half = copy.deepcopy(module)
    for layer in half.encoder.layers:
        cast(EncoderLayer, layer).to_fp16()
    return half
