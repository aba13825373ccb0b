"""Ogg: pages of a stream that begin with a page that says so, and end with one."""

from __future__ import annotations

import struct
import zlib

from asd_edge.calibration.audio.containers.part import Content, Part

_CONTINUED, _FIRST, _LAST = 1, 2, 4
"""The flags of a page."""


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Every byte with its bits in the other order."""


def _checksum(page: bytes) -> int:
    """The checksum of Ogg: that of zlib with all bits in the other order, and without its inversions."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def read_ogg(content: Content, begin: int) -> Part:
    """Read the pages of a chain's next stream.

    Args:
        content: The file.
        begin: The place of its first page.
    """
    at, numbers, open_streams, flaw = begin, dict[int, int](), set[int](), ""
    headers = True
    while len(head := content.read(at, 27)) == 27 and head[:4] == b"OggS":
        flags, serial, number, segments = head[5], *struct.unpack("<II", head[14:22]), head[26]
        if flags & _FIRST:
            if not headers:
                break  # the next link of the chain
            open_streams.add(serial)
        else:
            headers = False
            if number > numbers.get(serial, number - 1) + 1:
                flaw = "is damaged: a page is missing"
        numbers[serial] = number
        length = 27 + segments + sum(content.read(at + 27, segments))
        page = content.read(at, length)
        if len(page) < length:
            flaw = "is truncated: its last page is not whole"
            at = content.size
            break
        if _checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            flaw = "is damaged: the checksum of a page is wrong"  # the decoder leaves such pages out without a word
        if flags & _LAST:
            open_streams.discard(serial)
        at += length
    if open_streams and not flaw:
        flaw = "is truncated: the page that ends the stream is missing"
    return Part((range(begin, at),), at, flaw=flaw)
