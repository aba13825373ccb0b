"""FLAC: a header that announces how many samples follow, where its recorder lived to write that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from asd_edge.calibration.audio.containers.part import Content, Part, ViewReader, patched

if TYPE_CHECKING:
    import soundfile

_HEAD = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""How every stream begins: with the length of a header that is always the same. No sound holds this by chance."""
_HEAD_BYTES = 8
_LENGTH_AT = 21
"""Where the length stands in a stream: 36 bits, of which the first four share their byte with something else."""
_SCANNED_BYTES = 1 << 22
_COUNTED_SAMPLES = 1 << 18
"""How much of a file is looked through, and how many samples of all channels are decoded, at once."""


def read_flac(content: Content, begin: int) -> Part:
    """Find where a stream ends, which is where the next one begins or at the end of the file, and how long it is.

    Args:
        content: The file.
        begin: The place where the stream begins.
    """
    head = content.read(begin + _LENGTH_AT, 5)
    announced = int.from_bytes(head, "big") & 0xFFFFFFFFF
    end = _next_stream(content, begin + _HEAD_BYTES)
    stream = range(begin, end)
    if announced and _holds_last_sample(content, stream):
        return Part((stream,), end, announced, announced, "samples")
    there = _count(content, stream)
    if announced:
        return Part((stream,), end, announced, there, "samples")
    length = (head[0] & 0xF0 if head else 0) << 32 | min(there, 0xFFFFFFFFF)
    return Part(patched(begin, end, {begin + _LENGTH_AT: length.to_bytes(5, "big")}), end)


def _holds_last_sample(content: Content, stream: range) -> bool:
    """Whether the decoder finds the last sample that is announced, without decoding those before it."""
    import soundfile

    try:
        with soundfile.SoundFile(ViewReader(content, (stream,))) as opened:
            opened.seek(opened.frames - 1)
            return len(opened.read(1, dtype="float32")) == 1
    except soundfile.LibsndfileError:
        return False


def _next_stream(content: Content, at: int) -> int:
    """The place where the next stream begins, or the end of the file.

    The decoder cannot tell: looking for the last sample of a stream, it finds that of another one as well.
    """
    while at < content.size:
        found = _HEAD.search(content.read(at, _SCANNED_BYTES + _HEAD_BYTES - 1))
        if found:
            return at + found.start()
        at += _SCANNED_BYTES
    return content.size


def _count(content: Content, stream: range) -> int:
    """Decode a stream to its end, or to where it breaks off, and count its samples."""
    import soundfile

    count = 0
    try:
        with soundfile.SoundFile(ViewReader(content, (stream,))) as opened:
            block = np.empty((max(1, _COUNTED_SAMPLES // opened.channels), opened.channels), np.float32)
            while found := _decoded(opened, block):
                count += found
    except soundfile.LibsndfileError:
        pass  # no stream at all: opening it for its sound tells that
    return count


def _decoded(opened: soundfile.SoundFile, block: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> int:
    """Decode as many samples as there is room for, and count them."""
    import soundfile

    block.fill(np.nan)
    try:
        return len(opened.read(dtype="float32", out=block))
    except soundfile.LibsndfileError:  # at the end libsndfile gives what there is, and an error beside it
        return int(np.count_nonzero(~np.isnan(block[:, 0])))
