"""What is known of a model's cache: its file ``cache.json``, and whether it still can be believed."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asd_edge.calibration.atomic_files import write_whole
from asd_edge.runtime.inference.fingerprint import FileStamp

FORMAT = 2
_LARGEST_FILE = 1 << 20
"""The largest ``cache.json`` that is read, in bytes; one of a model with a thousand files of weights has 200 kB."""
_LARGEST_NUMBER = 1 << 63
"""Sizes, inodes and times in nanoseconds are less."""
_FOLDER = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Record:
    """What is known of a cache: the content of its ``cache.json``."""

    folder: str
    """the name of the folder with the graph and its weights"""
    files: dict[str, tuple[int, int]]
    """the size of each file in bytes and the time of its last change in nanoseconds"""
    machine: str
    """the host that it was made for: ONNX Runtime and the processor, as `host_fingerprint` names them"""
    sha256: str
    """the digest of the model"""
    stamp: FileStamp
    """the stamp that the model had when it was read through"""
    looked_ns: int
    """when that reading began, in nanoseconds since 1970"""
    digests: dict[str, str] = field(default_factory=dict)
    """the SHA-256 of each file"""
    outside: dict[str, FileStamp] = field(default_factory=dict)
    """the stamps of the files beside the model that hold its weights, by the names that it gives them"""
    verified_ns: int = 0
    """when all files were last read through and found to be what they were, in nanoseconds since 1970"""
    format: int = FORMAT

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """Read a record, if there is one that is whole and of this format: nothing in the file is believed unseen."""
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_FILE + 1)
            if len(content) > _LARGEST_FILE:
                return None
            return _checked(json.loads(content))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Write the record whole or not at all.

        Raises:
            InputError: The folder is missing or read-only, or the disk is full.
        """
        with write_whole(path) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


def files_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Look up the size in bytes and the time of the last change in nanoseconds of every file in a folder."""
    stated = {file.name: file.stat() for file in folder.iterdir()}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in stated.items()}


def _checked(values: dict[str, Any]) -> Record:
    """The record of such values.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: They are no record of this format.
    """
    if _number(values["format"]) != FORMAT:
        raise ValueError("another format")
    return Record(
        folder=_matching(_FOLDER, values["folder"]),
        files={_name(name): _pair(pair) for name, pair in values["files"].items()},
        machine=_text(values["machine"]),
        sha256=_matching(_SHA256, values["sha256"]),
        stamp=_stamp(values["stamp"]),
        looked_ns=_number(values["looked_ns"]),
        digests={_name(name): _matching(_SHA256, digest) for name, digest in values["digests"].items()},
        outside={_text(name): _stamp(stamp) for name, stamp in values["outside"].items()},
        verified_ns=_number(values["verified_ns"]),
    )


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST_NUMBER:
        raise ValueError("no number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _name(value: object) -> str:
    """The name of a file in the folder of the cache, which leads nowhere else."""
    name = _text(value)
    if Path(name).name != name:
        raise ValueError("no name")
    return name


def _matching(pattern: re.Pattern[str], value: object) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise ValueError("another text")
    return text


def _pair(value: Any) -> tuple[int, int]:
    size, changed_ns = value
    return _number(size), _number(changed_ns)


def _stamp(values: dict[str, Any]) -> FileStamp:
    return FileStamp(**{name: _number(value) for name, value in values.items()})
