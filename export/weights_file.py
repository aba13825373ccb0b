"""Files of weights: read without executing anything in them, checked, and written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.wording import counted


def read_weights(path: Path, what: str, next_step: str) -> Mapping[object, object]:
    """Read a file of weights that `torch.save` wrote, without executing anything in it.

    Args:
        path: The ``.pt`` file.
        what: The kind of file that is expected, for the message: "a BEATs checkpoint".
        next_step: The next step for the user where the file is something else.

    Raises:
        ModelError: There is no such file, or it does not hold weights.
    """
    valid = f"{what}, a .pt file of weights only"
    if not path.is_file():
        got = f"{path}, a folder" if path.is_dir() else f"{path}, which does not exist"
        raise ModelError(f"There is no file {path.name}.", got=got, valid=valid, next_step="check the path")
    try:
        file = path.open("rb")
    except OSError as error:
        got = f"{path}: {error.strerror}"
        raise ModelError(
            f"Cannot read {path.name}.", got=got, valid=valid, next_step="check its permissions"
        ) from error
    with file:
        try:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # what damaged or foreign bytes raise in the unpickler is not bounded
            raise ModelError(
                f"{path.name} is not {what}.",
                got=f"{counted(path.stat().st_size, 'byte')} that PyTorch cannot read: {_first_sentence(error)}",
                valid=valid,
                next_step=next_step,
            ) from error
    if not isinstance(loaded, Mapping):
        raise ModelError(
            f"{path.name} is not {what}.", got=f"a {type(loaded).__name__}", valid=valid, next_step=next_step
        )
    return loaded


def write_weights(path: Path, content: Mapping[str, object]) -> None:
    """Write a file that `read_weights` reads, whole or not at all.

    Raises:
        InputError: The folder is missing or read-only, or the disk is full.
    """
    buffer = io.BytesIO()  # written to directly, PyTorch's container hides what went wrong with the file
    torch.save(dict(content), buffer)
    with write_whole(path) as file:
        file.write(buffer.getbuffer())


def check_weights(
    found: Mapping[object, object], shapes: Iterator[tuple[str, tuple[int, ...]]], path: Path, next_step: str
) -> dict[str, Tensor]:
    """Check that exactly the expected weights are there, of the right shapes and finite.

    Args:
        found: The weights by name.
        shapes: The name and the shape of every expected weight.
        path: The file that the weights come from, for the message.
        next_step: The next step for the user where the weights do not fit.

    Returns:
        The same weights in float32.

    Raises:
        ModelError: A weight does not fit; the first such weight is named.
    """
    weights = {}
    for name, shape in shapes:
        weight = found.get(name)
        what, got = "", ""
        if not isinstance(weight, Tensor):
            what, got = "lacks a weight", "nothing" if weight is None else f"a {type(weight).__name__}"
        elif tuple(weight.shape) != shape or not weight.is_floating_point():
            what, got = "has a weight of another shape", f"{tuple(weight.shape)}, {weight.dtype}".replace("torch.", "")
        elif not bool(weight.isfinite().all()):
            what, got = "has a weight that is damaged", "values that are infinite or not numbers"
        else:
            weights[name] = weight.to(torch.float32)
        if what:
            valid = f"finite floating point numbers of shape {shape}"
            raise ModelError(f"{path.name} {what}: {name}.", got=got, valid=valid, next_step=next_step)
    unexpected = [str(name) for name in found if name not in weights]
    if unexpected:
        raise ModelError(
            f"{path.name} has a weight that does not belong there: {unexpected[0]}.",
            got=f"{counted(len(found), 'weight')}",
            valid=f"{counted(len(weights), 'weight')}, without {unexpected[0]}",
            next_step=next_step,
        )
    return weights


def _first_sentence(error: Exception) -> str:
    """Take PyTorch's reason without its pages of advice; some errors come without words."""
    return " ".join(str(error).split()).partition(". ")[0][:200] or type(error).__name__
