"""From a PyTorch module to the ONNX file that travels, with the proof that both compute the same."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
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
from asd_edge.export.certificate import Certificate

MAX_RELATIVE_ERROR = 1e-3
"""Largest difference from PyTorch that is accepted in any output, relative to its deviation over the clips."""
_CLIPS = 8


def export_model(
    module: nn.Module, info: ModelInfo, path: Path, tell: Callable[[str], None] | None = None
) -> ModelInfo:
    """Write a module as an ONNX file of the contract, whole or not at all.

    Args:
        module: ``(batch, samples) -> (batch, dim)``, or that and ``(batch, patches)`` where `info` has a patch grid.
        info: What the file says of itself; the parity is filled in.
        path: Where to.
        tell: Called with what is being done.

    Returns:
        The description with the parity that was measured.

    Raises:
        InputError: The path cannot be written.
        ModelError: ONNX Runtime computes something else than PyTorch.
    """
    tell = tell or (lambda _: None)
    check_writable(path)
    tell("tracing the graph")
    model = trace(module, info)
    content = model.SerializeToString(deterministic=True)
    tell(f"comparing ONNX Runtime with PyTorch on {_CLIPS} clips")
    info = replace(info, parity=_parity(module, content, info).to_dict())
    onnx.helper.set_model_props(model, {METADATA_KEY: info.to_json()})
    tell(f"writing {len(content) / 1e6:.1f} MB")
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
            output_names=list(info.outputs),
            dynamic_shapes=({0: batch},),
            opset_version=info.opset,
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


def _parity(module: nn.Module, content: bytes, info: ModelInfo) -> Certificate:
    """Compare ONNX Runtime with PyTorch on generated clips, two at a time; the certificate is of the embeddings."""
    import onnxruntime  # of whichever build is installed

    clips = _clips(info.samples)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: list[list[NDArray[np.float32]]] = []
    expected: list[list[NDArray[np.float32]]] = []
    for start in range(0, len(clips), 2):
        pair = clips[start : start + 2]
        found.append(session.run(list(info.outputs), {"waveform": pair}))
        with torch.no_grad():
            outputs = module(torch.from_numpy(pair))
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        expected.append([output.numpy() for output in outputs])
    widths = {"embedding": info.dimensions, "patch_weights": math.prod(info.patch_grid or ())}
    for name, ours, theirs in zip(info.outputs, zip(*found, strict=True), zip(*expected, strict=True), strict=True):
        _compare(name, np.concatenate(ours), np.concatenate(theirs), widths[name])
    return Certificate.of(np.concatenate([each[0] for each in found]), np.concatenate([each[0] for each in expected]))


def _compare(name: str, found: NDArray[np.float32], expected: NDArray[np.float32], width: int) -> None:
    """Refuse an output that is not what PyTorch computes."""
    if found.shape != expected.shape or found.shape[1] != width:
        raise ModelError(
            f"The exported graph's {name} does not have the shape that its description promises.",
            got=f"{found.shape}, in PyTorch {expected.shape}",
            valid=f"({len(expected)}, {width})",
            next_step="correct the description of the module",
        )
    deviation = max(float(expected.std(axis=0).mean()), float(np.finfo(np.float32).tiny))
    relative = float(np.abs(found - expected).max()) / deviation
    if not relative <= MAX_RELATIVE_ERROR:
        raise ModelError(
            f"The exported graph's {name} is not what PyTorch computes.",
            got=f"a difference of {relative:.2g} relative to its deviation over the clips",
            valid=f"at most {MAX_RELATIVE_ERROR:g}",
            next_step="report this with the versions of torch, onnx and onnxruntime",
        )


def _clips(samples: int) -> NDArray[np.float32]:
    """Clips that differ in what they are: hums, noise, noise that comes and goes, hums with knocks; each twice."""
    rng = np.random.default_rng(0)
    t = np.arange(samples) / 16_000.0
    hums = [sum(np.sin(2.0 * np.pi * hz * k * t) / k for k in range(1, 9)) for hz in (50.0, 73.0)]
    noise = rng.standard_normal((_CLIPS, samples))
    knocks = np.exp(-40.0 * (t % 0.5)) * np.sin(2.0 * np.pi * 2000.0 * t)
    swells = [noise[index] * (1.0 + np.sin(2.0 * np.pi * hz * t)) for index, hz in ((2, 3.0), (3, 11.0))]
    rumble = np.cumsum(noise[1]) / 100.0
    clips = np.stack([*hums, noise[0], rumble - rumble.mean(), *swells, hums[0] + 2.0 * knocks, hums[1] + knocks])
    clips += 0.01 * noise
    return np.asarray(0.2 * clips / np.abs(clips).max(axis=1, keepdims=True), np.float32)
