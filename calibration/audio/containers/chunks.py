"""Containers that are made of chunks: WAV (RIFF, RIFX, RF64, BW64), Wave64, AIFF, AIFC, 8SVX and CAF."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from asd_edge.calibration.audio.containers.part import Content, Part, View, patched, says_nothing

_MOST_CHUNKS = 1000
"""Recorders write a dozen; whoever writes more wants the reader to be busy."""
_GUIDS = (bytes.fromhex("2e91cf11a5d628db04c10000"), bytes.fromhex("f3acd3118cd100c04f8edb8a"))
"""What follows the four letters in the names of the chunks of Wave64."""
_LONGEST_FORM = 1024
"""The longest description of the form of the sound: those of PCM and floating point have 16 to 40 bytes."""
_SOUND = (b"data", b"SSND", b"BODY")
"""The names of the chunks that hold the sound."""


@dataclass(frozen=True)
class _Layout:
    """How the chunks of a container are laid out."""

    first: int
    """the place of the first chunk"""
    size: str
    """the length of a chunk, in the words of `struct`"""
    name: int = 4
    """how many bytes the name of a chunk has"""
    counts_itself: bool = False
    """whether the length of a chunk counts its name and its length"""
    align: int = 2
    """chunks begin at multiples of it"""
    goes_on: bool = False
    """whether the decoder needs what follows the sound"""

    @property
    def head(self) -> int:
        return self.name + struct.calcsize(self.size)


_LAYOUTS = {
    **dict.fromkeys((b"RIFF", b"RF64", b"BW64"), _Layout(12, "<I")),
    b"RIFX": _Layout(12, ">I"),
    b"FORM": _Layout(12, ">I", goes_on=True),
    b"riff": _Layout(40, "<Q", name=16, counts_itself=True, align=8),
    b"caff": _Layout(8, ">Q", align=1, goes_on=True),
}


CONTAINERS = tuple(_LAYOUTS)
"""The first four bytes of these containers."""


@dataclass(frozen=True)
class _Chunk:
    """A chunk, by the places in the file of its length and of what is in it."""

    name: bytes
    size_at: int
    body: int
    size: int

    @property
    def end(self) -> int:
        return self.body + self.size

    @property
    def least(self) -> int:
        """How long the chunk is where it holds no sound: that of AIFF begins with two numbers."""
        return 8 if self.name == b"SSND" else 0


def read_chunks(content: Content, begin: int) -> Part:
    """Read the header of a container that is made of chunks.

    Args:
        content: The file.
        begin: The place where the container begins.
    """
    magic = content.read(begin, 4)
    layout = _LAYOUTS[magic]
    patches = {begin: b"RF64"} if magic == b"BW64" else {}  # the same format, by a name that the decoder does not know
    form = sizes = sound = None
    for chunk in _chunks(content, begin, begin + layout.first, layout):
        form = chunk if chunk.name == b"fmt " else form
        sizes = chunk if chunk.name == b"ds64" else sizes
        if chunk.name[:4] in _SOUND:
            sound = chunk
            break
    if sound is None:
        return Part((range(begin, content.size),), content.size)
    size_at, field, size = sound.size_at, layout.size, sound.size
    if size == 0xFFFFFFFF and sizes is not None:
        size_at, field = sizes.body + 8, "<Q"
        size = int.from_bytes(content.read(size_at, 8), "little")
    rest = content.size - sound.body
    behind = _chunks(content, begin, _aligned(sound.body + max(0, size), begin, layout), layout)
    chunks_behind = [chunk for chunk in behind if chunk.end <= content.size]
    never_written = size <= sound.least and rest > sound.least and not chunks_behind
    if not never_written and not says_nothing(size, 8 * struct.calcsize(field)):
        there = min(size, rest)
        known = itertools.takewhile(lambda chunk: chunk.name[:4] not in _SOUND, chunks_behind)
        end = max([_aligned(sound.body + there, begin, layout), *(chunk.end for chunk in known)])
        view = patched(begin, end if layout.goes_on else sound.body + there, patches)
        return Part(view, min(end, content.size), announced=size, there=there)
    whole = rest + (layout.head if layout.counts_itself else 0)
    if whole < 1 << 8 * struct.calcsize(field):
        return Part(patched(begin, content.size, {**patches, size_at: struct.pack(field, whole)}), content.size)
    if form is None or magic != b"RIFF":
        return Part((), content.size, flaw="is longer than its kind of file can be")
    return Part(_as_rf64(content, form, range(sound.body, content.size)), content.size)


def _chunks(content: Content, begin: int, at: int, layout: _Layout) -> Iterator[_Chunk]:
    """The chunks from a place on, for as long as what is there looks like one."""
    for _ in range(_MOST_CHUNKS):
        head = content.read(at, layout.head)
        if not _is_chunk(head, layout):
            return
        (size,) = struct.unpack(layout.size, head[layout.name :])
        chunk = _Chunk(
            head[: layout.name], at + layout.name, at + layout.head, size - layout.head * layout.counts_itself
        )
        yield chunk
        at = _aligned(chunk.end, begin, layout)


def _is_chunk(head: bytes, layout: _Layout) -> bool:
    name = head[:4]
    if len(head) < layout.head or name in CONTAINERS or not all(32 <= letter < 127 for letter in name):
        return False
    return layout.name == 4 or head[4:16] in _GUIDS


def _aligned(at: int, begin: int, layout: _Layout) -> int:
    return at + (begin - at) % layout.align


def _as_rf64(content: Content, form: _Chunk, sound: range) -> View:
    """A WAV file that grew beyond what its header can announce, with a header that can."""
    head = content.read(form.size_at - 4, min(form.size, _LONGEST_FORM) + 8)
    sizes = struct.pack("<QQQI", len(sound) + len(head) + 48, len(sound), 0, 0)
    fixed = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(sizes)) + sizes
    return fixed + head, b"data\xff\xff\xff\xff", sound
