"""Ogg: pages of a stream that begin with a page that says so, and end with one."""

from __future__ import annotations

import struct

from asd_edge.calibration.audio.containers.part import Content, Part

_CONTINUED, _FIRST, _LAST = 1, 2, 4
"""The flags of a page."""


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
        if at + length > content.size:
            flaw = "is truncated: its last page is not whole"
            at = content.size
            break
        if flags & _LAST:
            open_streams.discard(serial)
        at += length
    if open_streams and not flaw:
        flaw = "is truncated: the page that ends the stream is missing"
    return Part((range(begin, at),), at, flaw=flaw)
