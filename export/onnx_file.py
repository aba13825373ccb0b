"""From a PyTorch module to the ONNX file that travels, with the proof that both compute the same."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.files import check_writable, write_whole
from asd_edge.calibration.model_info import METADATA_KEY, ModelInfo

OPSET = 18
MAX_RELATIVE_ERROR = 1e-3
"""Largest difference from PyTorch that is accepted, relative to the deviation of the embeddings over the clips."""
_CLIPS = 4


def export_model(module: nn.Module, info: ModelInfo, path: Path) -> ModelInfo:
    """Write a module as an ONNX file of the contract, whole or not at all.

    Args:
        module: ``(batch, samples) -> (batch, dim)``.
        info: What the file says of itself; the parity is filled in.
        path: Where to.

    Returns:
        The description with the parity that was measured.

    Raises:
        InputError: The path cannot be written.
        ModelError: ONNX Runtime computes something else than PyTorch.
    """
    check_writable(path)
    model = trace(module, info)
    info = replace(info, parity=_parity(module, model, info))
    onnx.helper.set_model_props(model, {METADATA_KEY: info.to_json()})
    with write_whole(path) as file:
        file.write(model.SerializeToString(deterministic=True))
    return info


def trace(module: nn.Module, info: ModelInfo) -> onnx.ModelProto:
    """The ONNX graph of a module, without anything about the machine that made it."""
    example = torch.zeros(2, info.samples)
    batch = torch.export.Dim("batch")
    # The exporter warns of its own internals, and of packages that no model here uses.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            (example,),
            input_names=["waveform"],
            output_names=["embedding"],
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model: onnx.ModelProto = cast(torch.onnx.ONNXProgram, program).model_proto
    # The exporter notes source lines and file paths in every node.
    for described in (model, model.graph, *model.graph.node, *model.graph.value_info):
        described.doc_string = ""
        described.ClearField("metadata_props")
    onnx.checker.check_model(model, full_check=True)
    return model


def _parity(module: nn.Module, model: onnx.ModelProto, info: ModelInfo) -> dict[str, float]:
    """Compare ONNX Runtime with PyTorch on generated clips."""
    import onnxruntime  # of whichever build is installed

    clips = _clips(info.samples)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(["embedding"], {"waveform": clips})[0]
    with torch.no_grad():
        expected = module(torch.from_numpy(clips)).numpy()
    if found.shape != expected.shape or found.shape[1] != info.dimensions:
        raise ModelError(
            "The exported graph does not have the shape that its description promises.",
            got=f"{found.shape}, in PyTorch {expected.shape}",
            valid=f"({len(clips)}, {info.dimensions})",
            next_step="correct the description of the module",
        )
    error = np.abs(found - expected)
    relative = float(error.max() / max(expected.std(axis=0).mean(), np.finfo(np.float32).tiny))
    if not relative <= MAX_RELATIVE_ERROR:
        raise ModelError(
            "The exported graph does not compute what PyTorch computes.",
            got=f"a difference of {relative:.2g} relative to the deviation of the embeddings",
            valid=f"at most {MAX_RELATIVE_ERROR:g}",
            next_step="report this with the versions of torch, onnx and onnxruntime",
        )
    return {"max_abs_error": float(f"{error.max():.3g}"), "max_error_over_deviation": float(f"{relative:.3g}")}


def _clips(samples: int) -> NDArray[np.float32]:
    """Clips that differ in what they are: a hum, noise, noise that comes and goes, a hum with knocks."""
    rng = np.random.default_rng(0)
    t = np.arange(samples) / 16_000.0
    hum = sum(np.sin(2.0 * np.pi * 50.0 * k * t) / k for k in range(1, 9))
    noise = rng.standard_normal((_CLIPS, samples))
    knocks = np.exp(-40.0 * (t % 0.5)) * np.sin(2.0 * np.pi * 2000.0 * t)
    clips = np.stack([hum, noise[1], noise[2] * (1.0 + np.sin(2.0 * np.pi * 3.0 * t)), hum + 2.0 * knocks])
    clips += 0.01 * noise
    return np.asarray(0.2 * clips / np.abs(clips).max(axis=1, keepdims=True), np.float32)
