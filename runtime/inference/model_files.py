"""The files that make up a model: the ONNX file and, where weights lie beside it, the files that hold them.

An ONNX file may name other files for the values of its tensors. They belong to the model as much as the file itself, so
its digest covers them. And none may lie outside the model's folder: ONNX Runtime before its version 1.24 reads any file
that the user can read, or any address of its own memory, as weights (its later versions refuse both; there is none of
them for Python 3.10).

The names are found by walking the file's own format (protocol buffers, https://protobuf.dev/programming-guides/encoding)
without reading weights: the library `onnx` is no part of what a device installs.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.errors import ModelError

_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""For each kind of message, the numbers of the fields that may hold a tensor, and what it is; see ``onnx.proto``."""
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
"""The ways in which the value of a field is written."""
_VARINT_BYTES = 10
"""The longest number of 64 bits."""
_LONGEST_NAME = 4096
"""The longest path that Linux opens."""


def model_sha256(path: Path, outside: Collection[str], between: Callable[[], None] | None = None) -> str:
    """Read a model through for its digest.

    Args:
        path: The path of the ONNX file.
        outside: The names of the files that hold its weights, as `files_outside` gives them.
        between: Called before each megabyte; what it raises ends the reading.

    Returns:
        The digest of the ONNX file where it holds all weights itself; else one of all files together.
    """
    sha256 = file_sha256(path, between)
    if not outside:
        return sha256
    lines = [sha256, *(f"{file_sha256(path.parent / name, between)}  {name}" for name in sorted(outside))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def files_outside(path: Path) -> dict[str, Path]:
    """The files beside an ONNX file that hold its weights.

    Args:
        path: The path of the ONNX file.

    Returns:
        The paths by the names that the ONNX file gives them; none where it holds all weights itself.

    Raises:
        NoModelError: The file is no ONNX model.
        ModelError: It names a file that is missing or lies outside its folder.
    """
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file cannot be mapped
            raise _no_model(path, "the file is empty") from None
    with content:
        try:
            names = set(_locations(content))
        except _DamagedError as error:
            raise _no_model(path, str(error)) from None
    return {name: _inside(path, name) for name in sorted(names)}


def _inside(path: Path, name: str) -> Path:
    """The path of a file that a model names, which must lie in its folder."""
    folders = (path.parent.resolve(), path.resolve().parent)  # a link to a model is followed, as those of caches are
    try:
        found = (path.parent / name).resolve()
        fits = not Path(name).is_absolute() and any(found.is_relative_to(folder) for folder in folders)
        there = found.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that cannot be one, or links that go in a circle
        fits = there = False
    if not fits or not there:
        raise ModelError(
            "The model's weights lie in a file that is not in its folder.",
            got=f"{path} names {name!r:.200}",
            valid="a file beside the model, or in a folder beside it",
            next_step="put both into one folder as they were exported; take no model from someone you do not trust",
        )
    return found


class NoModelError(ModelError):
    """The file is no ONNX model at all."""


class _DamagedError(Exception):
    """The file does not follow the format of protocol buffers."""


def _locations(content: mmap.mmap) -> Iterator[str]:
    """The names of files in all tensors of a model."""
    waiting = [("model", 0, len(content))]
    while waiting:
        kind, start, end = waiting.pop()
        children = _CHILDREN[kind]
        for number, first, last in _fields(content, start, end):
            child = children.get(number)
            if child == "entry":
                name = _location(content, first, last)
                if name is not None:
                    yield name
            elif child is not None:
                waiting.append((child, first, last))


def _location(content: mmap.mmap, start: int, end: int) -> str | None:
    """The value of an entry with the key ``location``."""
    key, value = b"", b""
    for number, first, last in _fields(content, start, end):
        if last - first > _LONGEST_NAME:
            raise _DamagedError("the name of a file is too long")
        if number == 1:
            key = content[first:last]
        elif number == 2:
            value = content[first:last]
    try:
        return value.decode() if key == b"location" else None
    except UnicodeDecodeError:
        raise _DamagedError("the name of a file is no text") from None


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number of each field of a message that holds bytes, and where they begin and end."""
    while start < end:
        tag, start = _varint(content, start, end)
        number, way = tag >> 3, tag & 7
        if way == _LENGTH:
            length, start = _varint(content, start, end)
            if number == 0 or length > end - start:
                raise _DamagedError("a field is longer than what holds it")
            yield number, start, start + length
            start += length
        elif way == _VARINT:
            _, start = _varint(content, start, end)
        elif way in (_FOUR_BYTES, _EIGHT_BYTES):
            start += 4 if way == _FOUR_BYTES else 8
        else:
            raise _DamagedError("a field is written in an unknown way")
    if start != end:
        raise _DamagedError("a field ends after what holds it")


def _varint(content: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    """A number at a position, and the position after it."""
    value = 0
    for index in range(_VARINT_BYTES):
        if start + index >= end:
            break
        byte = content[start + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, start + index + 1
    raise _DamagedError("a number does not end")


def _no_model(path: Path, reason: str) -> NoModelError:
    return NoModelError(
        "The file is no ONNX model.",
        got=f"{path}: {reason}",
        valid="an .onnx file made by `asd-edge export` or `asd-edge adopt`",
        next_step="export or copy it again",
    )
