"""From a BEATs checkpoint to the model file, in one call."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from pathlib import Path
from typing import cast

from asd_edge.calibration.atomic_files import check_writable
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError
from asd_edge.export.beats.embedder import BeatsEmbedder, build_beats
from asd_edge.export.beats.encoder import EncoderLayer
from asd_edge.export.beats.int8 import to_int8
from asd_edge.export.beats.pooling import APART
from asd_edge.export.certification_clips import generated_clips, recorded_clips
from asd_edge.export.onnx_file import export_model, size_bytes

log = logging.getLogger(__name__)

PRECISIONS = {"fp32": 1, "fp16": 2, "int8": 4}
"""Number formats of the large products, and how many times smaller than float32 they are."""

_TARGETS = {"fp32": ("cpu", "cuda"), "fp16": ("cuda",), "int8": ("cpu",)}
"""Execution providers that each can be exported for, the default first."""


def export_beats(
    checkpoint: Path,
    output: Path,
    pooling: str = "rdp-gem",
    head: Path | None = None,
    layers: int | None = None,
    window_s: float = 10.0,
    precision: str = "fp32",
    calibration: Path | None = None,
    target: str | None = None,
    mel_block_mode: str = APART,
) -> ModelInfo:
    """Write BEATs with a pooling as one ONNX file, whole or not at all.

    Args:
        checkpoint: As Microsoft publishes it, such as ``BEATs_iter3.pt``.
        output: The file to write.
        pooling: One of `asd_edge.export.beats.pooling.POOLINGS`.
        head: Trained weights of the pooling ``asp``.
        layers: Keep the first so many encoder layers; all by default.
        window_s: Length of the window.
        precision: One of `PRECISIONS`: ``int8`` is for CPUs, ``fp16`` for GPUs.
        calibration: Folder with recordings to round by (``int8``) and to compare on; generated sound by default.
        target: The execution provider: ``cpu``, or ``cuda``, whose graph runs on others than the CPU; that of the
            precision by default.
        mel_block_mode: One of `asd_edge.export.beats.pooling.MEL_BLOCK_MODES`: whether the mel blocks of a time are
            pooled apart, or averaged or concatenated before.

    Returns:
        What the file says of itself, with the difference from PyTorch in float32 that was measured.

    Raises:
        ModelError: The checkpoint or the head cannot be used, or the precision costs too much.
        InputError: There is no such pooling, precision or target, the window is too short, the recordings cannot be
            used, or the path cannot be written.
    """
    if precision not in PRECISIONS:
        raise InputError(
            "There is no such precision.",
            got=precision,
            valid=", ".join(PRECISIONS),
            next_step="try --precision int8 for a CPU, fp16 for a GPU",
        )
    target = target or _TARGETS[precision][0]
    if target not in _TARGETS[precision]:
        raise InputError(
            f"There is no graph in {precision} for this target.",
            got=target,
            valid=" or ".join(_TARGETS[precision]),
            next_step="leave --target away, or choose another --precision",
        )
    check_writable(output)
    import onnxruntime  # noqa: F401  its absence shows now, and not after minutes of rounding

    log.info("Reading %s ...", checkpoint)
    module, info = build_beats(checkpoint, pooling, head, layers, window_s, target, mel_block_mode)
    check_writable(output, size_bytes(module) // PRECISIONS[precision])
    clips = recorded_clips(calibration, info.samples) if calibration else generated_clips(info.samples)
    if precision == "fp32":
        return export_model(module, info, output, clips)
    less = to_int8(module, clips.calibration, clips.check) if precision == "int8" else _to_fp16(module)
    return export_model(less, replace(info, precision=precision), output, clips, reference=module)


def _to_fp16(module: BeatsEmbedder) -> BeatsEmbedder:
    """With the large products in float16; front end, sums, norms, softmax and pooling stay in float32."""
    half = copy.deepcopy(module)
    for layer in half.encoder.layers:
        cast(EncoderLayer, layer).to_fp16()
    return half
