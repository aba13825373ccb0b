"""The file of a bank: arrays and one JSON in an ``.npz``, in which damage is noticed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.errors import BankError, InputError

BANK_FORMAT = 2
"""The version of the file format."""
Arrays = Mapping[str, NDArray[Any]]


def write_bank_file(path: Path, values: Mapping[str, Any], arrays: Arrays) -> None:
    """Write the file of a bank, whole or not at all.

    Args:
        path: The path of the file.
        values: The bank's description, as JSON can hold it, with the ``format``.
        arrays: The arrays by name.

    Raises:
        InputError: The folder is missing or read-only, or the disk is full.
    """
    text = json.dumps({**values, "arrays": {name: _digest(array) for name, array in arrays.items()}})
    with write_whole(path) as file:
        np.savez(file, allow_pickle=False, info=np.array(text), **arrays)


@contextlib.contextmanager
def open_bank_file(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    """Read the file of a bank and check every byte of its arrays.

    Args:
        path: The path of the file.

    Yields:
        The description and the arrays, as `write_bank_file` got them. An error that is raised because they do not fit
        together counts as damage of the file, too.

    Raises:
        BankError: The file is missing, is no bank, is damaged, or has another format.
    """
    if not path.is_file():
        raise BankError(
            "There is no bank at this path." if not path.exists() else "The bank's path is a folder.",
            got=path,
            valid="a file written by `asd-edge enroll`",
            next_step="make one: asd-edge enroll --bank pump.npz --device NAME",
        )
    damage: tuple[type[Exception], ...] = (
        InputError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, OSError, NotImplementedError,
        RuntimeError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
    )  # fmt: skip
    try:
        # NumPy leaves a file open that it opened itself and found damaged.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            values: dict[str, Any] = json.loads(str(file["info"]))
            if values["format"] != BANK_FORMAT:
                raise _of_another_version(path, values["format"])
            digests: dict[str, str] = values.pop("arrays")
            arrays = {name: file[name] for name in digests}
        changed = [name for name, digest in digests.items() if _digest(arrays[name]) != digest]
        if changed:
            raise ValueError(f"the digest of its array '{changed[0]}' does not match")
        yield values, arrays
    except damage as error:
        if isinstance(error, BankError):  # of another version, or with a scorer that is not installed
            raise
        raise BankError(
            f"This file is no bank, or it is damaged: {str(error) or type(error).__name__}.",
            got=path,
            valid="a file written by `asd-edge enroll`, unchanged since",
            next_step="restore a copy, or enroll again under another path",
        ) from error


def _of_another_version(path: Path, version: int) -> BankError:
    newer = version > BANK_FORMAT
    return BankError(
        f"The bank was written by {'a newer' if newer else 'an older'} version of asd-edge.",
        got=f"{path}, bank format {version}",
        valid=f"bank format {BANK_FORMAT}",
        next_step="pip install --upgrade asd-edge" if newer else "enroll again under another path",
    )


def _digest(array: NDArray[Any]) -> str:
    """The SHA-256 of type, shape and bytes: the zip's own checksums do not cover its headers."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
