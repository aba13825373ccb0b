"""From a PyTorch module to the ONNX file that travels, with the proof that both compute the same."""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from asd_edge.calibration.atomic_files import check_writable, write_whole
from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.calibration.contract.parity import LIMITS, Certificate
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.wording import counted
from asd_edge.export.certification_clips import Clips, generated_clips

log = logging.getLogger(__name__)

MAX_RELATIVE_ERROR = 1e-3
"""The largest difference from PyTorch that is accepted in any output, relative to its deviation over the clips."""


def export_model(
    module: nn.Module,
    info: ModelInfo,
    path: Path,
    clips: Clips | None = None,
    reference: nn.Module | None = None,
) -> ModelInfo:
    """Write a module as an ONNX file of the contract, whole or not at all.

    Args:
        module: The module, which makes embeddings ``(batch, dim)`` of ``(batch, samples)``. An autoencoder gives the
            reconstruction errors ``(batch,)`` as well, and a module with a patch grid in `info` the weights of the
            patches ``(batch, patches)``.
        info: The description that is written into the file; its parity is filled in here.
        path: The path of the file to write.
        clips: The windows to compare on; generated sound by default.
        reference: The module in float32, where `module` has a lower precision: the embeddings of both are compared.

    Returns:
        The description with the parity that was measured.

    Raises:
        InputError: The path cannot be written.
        ModelError: ONNX Runtime computes something else than PyTorch, or the lower precision costs too much.
    """
    check_writable(path, size_bytes(module))
    clips = clips or generated_clips(info.samples)
    log.info("Tracing the graph ...")
    model = trace(module, info)
    content = model.SerializeToString(deterministic=True)
    log.info("Comparing ONNX Runtime with PyTorch on %s ...", clips.described)
    certificate = _certify(module, content, info, clips.check, reference)
    info = replace(info, parity=certificate.to_dict(), parity_clips=clips.described)
    onnx.helper.set_model_props(model, {METADATA_KEY: info.to_json()})
    log.info("Writing %.1f MB ...", len(content) / 1e6)
    with write_whole(path) as file:
        file.write(model.SerializeToString(deterministic=True))
    return info


def size_bytes(module: nn.Module) -> int:
    """The size of a module's weights in bytes, which is nearly the size of its file."""
    return sum(weight.numel() * weight.element_size() for weight in module.state_dict().values())


def trace(module: nn.Module, info: ModelInfo) -> onnx.ModelProto:
    """The ONNX graph of a module, without anything about the computer that made it."""
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


def _certify(
    module: nn.Module, content: bytes, info: ModelInfo, windows: NDArray[np.float32], reference: nn.Module | None
) -> Certificate:
    """Compare what ONNX Runtime gives with PyTorch; the certificate says how far apart the embeddings are."""
    import onnxruntime  # whichever build is installed

    # Two windows at a time try the batch. Products in 8 bits take one: they round their inputs by the range in a batch.
    step = 2 if reference is None else 1
    batches = [windows[start : start + step] for start in range(0, len(windows), step)]
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # PyTorch wants the cores next
    options.add_session_config_entry("session.x64quantprecision", "1")  # as the device does
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found = [session.run(list(info.outputs), {"waveform": batch}) for batch in batches]
    expected: list[list[NDArray[np.float32]]] = []
    for batch in batches:
        with torch.no_grad():
            outputs = (reference or module)(torch.from_numpy(batch))
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        expected.append([output.numpy() for output in outputs])
    shapes = {
        "embedding": (info.dimensions,),
        "reconstruction_error": (),
        "patch_weights": (math.prod(info.patch_grid or ()),),
    }
    for name, ours, theirs in zip(info.outputs, zip(*found, strict=True), zip(*expected, strict=True), strict=True):
        _compare(name, np.concatenate(ours), np.concatenate(theirs), shapes[name], exact=reference is None)
    certificate = Certificate.of(
        np.concatenate([each[0] for each in found]), np.concatenate([each[0] for each in expected])
    )
    if reference is not None and not certificate.within_limits:
        raise ModelError(
            f"The model in {info.precision} is too far from the one in fp32.",
            got=str(certificate),
            valid=LIMITS,
            next_step="export it with --precision fp32",
        )
    return certificate


def _compare(
    name: str, found: NDArray[np.float32], expected: NDArray[np.float32], shape: tuple[int, ...], exact: bool
) -> None:
    """Refuse an output of another shape or that is no number and, where it shall be exact, other than PyTorch's."""
    if found.shape != expected.shape or found.shape[1:] != shape:
        raise ModelError(
            f"The exported graph's {name} does not have the shape that its description promises.",
            got=f"{found.shape}, in PyTorch {expected.shape}",
            valid=f"{(len(expected), *shape)}",
            next_step="correct the description of the module",
        )
    if not exact and not np.isfinite(found).all():
        raise ModelError(
            f"The exported graph's {name} is infinite or not a number.",
            got=f"{np.count_nonzero(~np.isfinite(found))} of {counted(found.size, 'value')}",
            valid="finite numbers",
            next_step="export it with --precision fp32, whose numbers reach farther than those of fp16",
        )
    if not exact:
        return
    deviation = max(float(expected.std(axis=0).mean()), float(np.finfo(np.float32).tiny))
    relative = float(np.abs(found - expected).max()) / deviation
    if not relative <= MAX_RELATIVE_ERROR:
        raise ModelError(
            f"The exported graph's {name} is not what PyTorch computes.",
            got=f"a difference of {relative:.2g} relative to its deviation over the clips",
            valid=f"at most {MAX_RELATIVE_ERROR:g}",
            next_step="report this with the versions of torch, onnx and onnxruntime",
        )
