"""Whether a loaded file keeps the contract of `asd_edge.calibration.contract.model_info`: the one place that looks.

What a file says of itself, the types and shapes of its inputs and outputs, and what they are once it ran.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import ModelError

_FLOAT32 = "tensor(float)"
"""How ONNX Runtime calls float32."""
_NEXT_STEP = "export or adopt the model again"


def checked_info(session: Any, path: Path, batch: int = 1) -> ModelInfo:
    """Read what a model says of itself, and see that its inputs and outputs are what that promises.

    Args:
        session: The session of ONNX Runtime that the model was loaded into.
        path: The path of the model.
        batch: The number of windows that a run has at most where the file does not leave it open.

    Raises:
        ModelError: The file does not describe itself, or is not as it describes.
    """
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        # ONNX Runtime makes text of names, types and dimensions only where they are asked for.
        inputs = {value.name: (list(value.shape), value.type) for value in session.get_inputs()}
        outputs = {value.name: (list(value.shape), value.type) for value in session.get_outputs()}
    except UnicodeDecodeError as error:
        raise _broken("The model's metadata or names are no text.", f"{path}: {error.reason}", "UTF-8") from error
    if text is None:
        raise ModelError(
            "The ONNX file does not describe itself, so it is not a model of this program.",
            got=path,
            valid=f"an .onnx file with the metadata key '{METADATA_KEY}'",
            next_step=f"asd-edge adopt {path} --output {path.stem}-adopted.onnx writes one of it that does",
        )
    info = ModelInfo.from_json(text)
    _require(inputs, "waveform", [info.samples], path)
    others = [name for name in inputs if name != "waveform"]
    if others:
        raise _broken("The model wants more than a window of sound.", f"{path}: {', '.join(others)}", "waveform alone")
    for name, lengths in _lengths(info).items():
        _require(outputs, name, lengths, path)
    fixed = inputs["waveform"][0][0]
    if isinstance(fixed, int) and fixed not in (1, batch):
        raise _broken(
            "The model takes a fixed number of windows at once.", f"{path}: {fixed}", "any number of them, or 1"
        )
    return info


def fixed_batch(session: Any) -> int | None:
    """The number of windows that every run of a session must have; none where any number will do."""
    (waveform,) = session.get_inputs()
    return waveform.shape[0] if isinstance(waveform.shape[0], int) else None


def require_promised(info: ModelInfo, outputs: Sequence[FloatArray], windows: int) -> None:
    """Refuse outputs of another shape or type than the model promises: the shapes in a file are only said.

    Args:
        info: The model's description.
        outputs: What a run gave, in the order of `ModelInfo.scored`.
        windows: The number of windows that were embedded.

    Raises:
        ModelError: An output is another.
    """
    lengths = _lengths(info)
    for name, found in zip(info.scored, outputs, strict=True):
        wanted = (windows, *lengths[name])
        if not isinstance(found, np.ndarray) or found.shape != wanted or found.dtype != np.float32:
            got = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise _broken(f"The model gives another '{name}' than it promises.", got, f"float32 of shape {wanted}")


def _lengths(info: ModelInfo) -> dict[str, list[int]]:
    """What follows the batch in the shape of each output."""
    lengths = {"embedding": [info.dimensions], "reconstruction_error": []}
    if info.patch_grid:
        lengths["patch_weights"] = [math.prod(info.patch_grid)]
    return {name: lengths[name] for name in info.outputs}


def _require(values: dict[str, tuple[list[Any], str]], name: str, lengths: list[int], path: Path) -> None:
    """Refuse an input or output that is missing, or of another shape or type than is promised."""
    shape, kind = values.get(name, (None, ""))
    if not shape or shape[1:] != lengths:
        raise _broken(
            f"The model's '{name}' does not have the shape that its description promises.",
            f"{path}: {'missing' if shape is None else shape}",
            f"({', '.join(['batch', *map(str, lengths)])})",
        )
    if kind != _FLOAT32:
        raise _broken(f"The model's '{name}' is not in float32.", f"{path}: {kind}", _FLOAT32)


def _broken(what: str, got: str, valid: str) -> ModelError:
    return ModelError(what, got=got, valid=valid, next_step=_NEXT_STEP)
