"""A stream of sound within a file, as its header announces it and as it is there."""

from __future__ import annotations

import bisect
import io
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NEAR = 1 << 16
"""Recorders that write into a pipe announce the largest length there is, less the header and rounded to whole frames
(0x7FFFF000, 0x80000000, 0xFFFFFFDB, ...): a length so near to a largest one announces nothing."""

View = tuple["bytes | range", ...]
"""What a decoder is given to read, in order: bytes, and ranges of the bytes of the file."""


class Content:
    """The bytes of an open file, read from any place.

    Args:
        handle: The file descriptor, which stays open.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.size = os.fstat(handle).st_size

    def read(self, at: int, count: int) -> bytes:
        """Read up to so many bytes at a place; fewer at the end of the file."""
        return os.pread(self._handle, count, at) if 0 <= at < self.size else b""


@dataclass(frozen=True)
class Part:
    """A stream of sound. A file holds one, or several that were written one behind the other."""

    view: View
    """what the decoder is given: the stream alone, with the lengths that are missing in its header filled in"""
    end: int
    """the place of the byte behind it"""
    announced: int | None = None
    """how much sound the header announces; none where it does not say"""
    there: int = 0
    """how much of that is in the file"""
    unit: str = "bytes of sound"
    """what the two count"""
    flaw: str = ""
    """what is wrong with it otherwise; empty where nothing is"""

    @property
    def fault(self) -> str:
        """Why the stream cannot be used, in words; empty where it can."""
        if self.announced is not None and self.there < self.announced:
            return f"is truncated: {self.announced} {self.unit} announced, {self.there} there"
        return self.flaw


class ViewReader(io.RawIOBase):
    """A view as a file that can be read and moved in.

    Args:
        content: The file.
        view: What of it is read.
    """

    def __init__(self, content: Content, view: View) -> None:
        self._content = content
        self._view = view
        self._begins = [0, *itertools.accumulate(map(len, view))]
        self._length = self._begins.pop()
        self._at = 0
        self.error: OSError | None = None
        """the error that the disk gave, which the decoder takes for the end of the file"""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be moved in."""
        return True

    def tell(self) -> int:
        """The place where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as a file does. What a broken header leads out of the view stops at its ends."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}.get(whence, 0)
        self._at = min(max(0, base + offset), self._length)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes, as many as there is room for or as are left."""
        try:
            data = self._read(len(buffer))
        except OSError as error:
            self.error, data = error, b""
        buffer[: len(data)] = data
        return len(data)

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count and self._at < self._length:
            number = bisect.bisect_right(self._begins, self._at) - 1
            piece, offset, wanted = self._view[number], self._at - self._begins[number], count - len(found)
            if isinstance(piece, range):
                data = self._content.read(piece.start + offset, min(wanted, len(piece) - offset))
            else:
                data = piece[offset : offset + wanted]
            if not data:
                break  # the file was cut off since it was opened
            found += data
            self._at += len(data)
        return found


def patched(begin: int, end: int, patches: Mapping[int, bytes]) -> View:
    """The view of a range of the file in which some bytes are others.

    Args:
        begin: The place of its first byte.
        end: The place behind its last byte.
        patches: Bytes by the place in the file where they stand instead.
    """
    view: list[bytes | range] = []
    for at, data in sorted(patches.items()):
        view += [range(begin, at), data]
        begin = at + len(data)
    return (*view, range(begin, max(begin, end)))


def says_nothing(length: int, bits: int) -> bool:
    """Whether an announced length is the largest that the field holds, signed or not, or almost."""
    return any(abs(length - (1 << power)) <= _NEAR for power in (bits - 1, bits))
