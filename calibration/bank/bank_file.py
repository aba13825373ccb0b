"""The file of a bank: arrays and one JSON in an ``.npz``, in which damage is noticed.

What is read is bounded before it is read: nothing in the file is compressed, so that all of it together is no larger
than the file, and every array's header must say what the archive says of its size.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
import struct
import tokenize
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.atomic_files import write_whole
from asd_edge.calibration.errors import BankError, InputError

BANK_FORMAT = 3
"""The version of the file format. Banks of `OLDEST_FORMAT` and later are read, see
`asd_edge.calibration.bank.migration`; whatever is saved has this one."""
OLDEST_FORMAT = 2
"""The format of version 0.1.0."""
Arrays = Mapping[str, NDArray[Any]]

_MOST_BYTES = 1 << 32
"""The size in bytes above which a file is no bank: a million windows of a thousand numbers."""
_INFO = "info"
"""The name of the archive's part that holds the JSON."""
_NOT_A_FILE = {
    stat.S_IFDIR: "The bank's path is a folder.",
    stat.S_IFIFO: "The bank's path is a pipe, and a bank cannot be read from one: it is not read from front to back.",
    stat.S_IFSOCK: "The bank's path is a socket.",
    stat.S_IFCHR: "The bank's path is a device.",
    stat.S_IFBLK: "The bank's path is a device.",
}
_NEXT_STEPS = {
    errno.EACCES: "ask the file's owner to let you read it (chmod), or run as another user",
    errno.ENAMETOOLONG: "give the file a shorter name",
    errno.ELOOP: "see where its symbolic links lead: ls -l",
}
_DAMAGE: tuple[type[Exception], ...] = (
    InputError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, NotImplementedError,
    RuntimeError, SyntaxError, OverflowError, struct.error, tokenize.TokenError, zipfile.BadZipFile,
    zipfile.LargeZipFile, Warning,
)  # fmt: skip
"""What reading a damaged file may raise."""


def write_bank_file(path: Path, values: Mapping[str, Any], arrays: Arrays) -> None:
    """Write the file of a bank, whole or not at all.

    Args:
        path: The path of the file.
        values: The bank's description, as JSON can hold it, with the ``format``.
        arrays: The arrays by name.

    Raises:
        BankError: The folder is missing or read-only, or the disk is full.
    """
    try:
        with write_whole(path) as file:
            pack_bank(file, values, arrays)
    except InputError as error:
        raise BankError(error.what, got=error.got, valid=error.valid, next_step=error.next_step) from error


def pack_bank(file: IO[bytes], values: Mapping[str, Any], arrays: Arrays) -> None:
    """Write the content of a bank's file; the arguments are those of `write_bank_file`."""
    digests = {name: _digest(array) for name, array in arrays.items()}
    text = json.dumps({**values, "arrays": digests}, allow_nan=False)
    np.savez(file, **{_INFO: np.array(text)}, **arrays)  # type: ignore[arg-type]  # before 2.1 it takes no option


@contextlib.contextmanager
def open_bank_file(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    """Read the file of a bank and check every byte of its arrays.

    Args:
        path: The path of the file.

    Yields:
        The description and the arrays, as `write_bank_file` got them, of `BANK_FORMAT` or an older one that can be
        read. An error that is raised because they do not fit together counts as damage of the file, too.

    Raises:
        BankError: The file is missing, cannot be read, is no bank, is damaged, or has another format.
    """
    try:
        with _opened(path) as file:
            values, arrays = _read(path, file)
        yield values, arrays
    except BankError:  # of another version, or with a scorer that is not installed
        raise
    except OSError as error:
        if error.errno == errno.EINVAL:  # the archive points at what lies before the beginning of the file
            raise _damaged(path, error) from error
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise BankError(
            "The bank does not fit into the memory of this computer.",
            got=path,
            valid="a bank with fewer windows, or a computer with more memory",
            next_step="enroll again with fewer minutes or --max-references",
        ) from error
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def bank_is_there(path: Path) -> bool:
    """Whether there is a file at the path of a bank; what else is there is told when it is read.

    Raises:
        BankError: It cannot be found out.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except ValueError as error:  # a zero byte in the name
        raise _unreadable(path, error) from error
    if kind != stat.S_IFREG:
        raise BankError(
            _NOT_A_FILE.get(kind, "The bank's path is no file."),
            got=path,
            valid="a file written by `asd-edge enroll`",
            next_step="copy it into a file first: cat PIPE > bank.npz"
            if kind == stat.S_IFIFO
            else "make one: asd-edge enroll --bank pump.npz --device NAME",
        )
    with path.open("rb") as file:
        yield file


def _read(path: Path, file: IO[bytes]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with warnings.catch_warnings(), zipfile.ZipFile(file) as archive:
        warnings.simplefilter("error")  # NumPy mends some headers of arrays with a warning; ours need none
        members = _members(archive, os.fstat(file.fileno()).st_size)
        if _INFO not in members:
            raise ValueError("it has no description")
        text = _array(archive, members[_INFO])
        if text.dtype.kind != "U" or text.shape != ():
            raise ValueError("its description is no text")
        values = json.loads(str(text), parse_constant=_no_number)
        if not isinstance(values, dict):
            raise ValueError("its description is no JSON object")
        version = values["format"]
        if type(version) is not int or not OLDEST_FORMAT <= version <= BANK_FORMAT:
            raise _of_another_version(path, version)
        digests = values.pop("arrays")
        if missing := [name for name in digests if name not in members]:
            raise ValueError(f"its array '{missing[0]}' is missing")
        arrays = {name: _array(archive, members[name]) for name in digests}
    for name, array in arrays.items():
        if _digest(array) != digests[name]:
            raise ValueError(f"the digest of its array '{name}' does not match")
    return values, arrays


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The parts of the archive by the names of the arrays, none larger than the file that holds it."""
    members = {}
    total = 0
    for each in archive.infolist():
        total += each.file_size
        if each.compress_type != zipfile.ZIP_STORED or each.compress_size != each.file_size:
            raise ValueError(f"its part '{each.filename}' is compressed")
        if not each.filename.endswith(".npy") or (name := each.filename.removesuffix(".npy")) in members:
            raise ValueError(f"its part '{each.filename}' is unknown")
        members[name] = each
    if total > min(size, _MOST_BYTES):
        raise ValueError(f"its parts are {total} bytes long, and the file {size}")
    return members


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array, after its header has been found to promise no more than there is."""
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"its part '{member.filename}' has an unknown header")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        promised = file.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject or not dtype.itemsize or min(shape, default=0) < 0 or promised != member.file_size:
            raise ValueError(f"its part '{member.filename}' is not what its header says")
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _no_number(text: str) -> float:
    raise ValueError(f"its description holds {text}, which is no number")


def _damaged(path: Path, error: Exception) -> BankError:
    said = getattr(error, "what", "") or str(error) or type(error).__name__
    return BankError(
        f"This file is no bank, or it is damaged: {said.rstrip('.')}.",
        got=path,
        valid="a file written by `asd-edge enroll`, unchanged since",
        next_step="restore a copy, or enroll again under another path",
    )


def _unreadable(path: Path, error: OSError | ValueError) -> BankError:
    number = getattr(error, "errno", None) or 0
    if number in (errno.ENOENT, errno.ENOTDIR):
        return BankError(
            "There is no bank at this path.",
            got=path,
            valid="a file written by `asd-edge enroll`",
            next_step="make one: asd-edge enroll --bank pump.npz --device NAME",
        )
    return BankError(
        f"The bank cannot be read: {getattr(error, 'strerror', None) or error}.",
        got=path,
        valid="a file that may be read, written by `asd-edge enroll`",
        next_step=_NEXT_STEPS.get(number, "check the path and the disk"),
    )


def _of_another_version(path: Path, version: object) -> BankError:
    if type(version) is not int:
        raise ValueError(f"its format is {version!r:.40}")
    newer = version > BANK_FORMAT
    return BankError(
        f"The bank was written by {'a newer' if newer else 'an older'} version of asd-edge.",
        got=f"{path}, bank format {version}",
        valid=f"bank format {OLDEST_FORMAT} to {BANK_FORMAT}",
        next_step="pip install --upgrade asd-edge" if newer else "enroll again under another path",
    )


def _digest(array: NDArray[Any]) -> str:
    """The SHA-256 of type, shape and bytes: the zip's own checksums do not cover its headers."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
