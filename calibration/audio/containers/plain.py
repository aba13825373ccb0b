"""Containers that are a header and then the sound: AU, NIST SPHERE, VOC, and some that never say how long they are."""

from __future__ import annotations

import re
import struct

from asd_edge.calibration.audio.containers.part import Content, Part, patched, says_nothing

_NIST_HEAD = 1 << 16
"""The longest header of NIST SPHERE that is read; it says its own length, commonly 1024 bytes."""
_MOST_BLOCKS = 1 << 16
"""The most blocks of a VOC file that are read: those of a day, where each holds two seconds."""
_VOC_MORE, _VOC_SILENCE = 2, 3
_VOC_HEADS = {1: 2, _VOC_MORE: 0, 9: 12}
"""The blocks of VOC that hold sound, with the number of bytes that say of which form it is."""


def read_au(content: Content, begin: int) -> Part:
    """Read the header of an AU file, of either order of bytes."""
    order = ">" if content.read(begin, 4) == b".snd" else "<"
    head = content.read(begin + 4, 8)
    if len(head) < 8:
        return read_unannounced(content, begin)
    offset, size = struct.unpack(f"{order}II", head)
    sound = begin + offset
    rest = content.size - sound
    if says_nothing(size, 32) or (size == 0 and rest > 0):
        filled = struct.pack(f"{order}I", min(max(rest, 0), 0xFFFFFFFF))
        return Part(patched(begin, content.size, {begin + 8: filled}), content.size)
    return _plain(content, begin, sound, size)


def read_nist(content: Content, begin: int) -> Part:
    """Read the header of a NIST SPHERE file, which is text."""
    first = content.read(begin, 16)
    length = int(first[8:16]) if first[8:16].strip().isdigit() else 0
    head = content.read(begin, min(length, _NIST_HEAD))
    found = dict(re.findall(rb"(sample_count|channel_count|sample_n_bytes) -i (\d{1,18})\s", head))
    frames = int(found.get(b"sample_count", 0))
    if frames == 0:
        return read_unannounced(content, begin)
    size = frames * int(found.get(b"channel_count", 1)) * int(found.get(b"sample_n_bytes", 2))
    return _plain(content, begin, begin + length, size)


def read_voc(content: Content, begin: int) -> Part:
    """Read the blocks of a VOC file.

    The decoder knows one block of sound, and takes all that is behind its head for its sound.
    """
    at = begin + int.from_bytes(content.read(begin + 20, 2), "little")
    first: tuple[int, bytes] | None = None
    sounds: list[range] = []
    announced = 0
    while len(head := content.read(at, 4)) == 4 and head[0] and len(sounds) < _MOST_BLOCKS:
        kind, size = head[0], int.from_bytes(head[1:], "little")
        if kind in _VOC_HEADS:
            form = (kind, content.read(at + 4, _VOC_HEADS[kind]))
            if kind != _VOC_MORE and form != (first or form):
                return Part((), content.size, flaw="holds blocks of sound of several forms")
            first = first or form
            sound = range(at + 4 + _VOC_HEADS[kind], at + 4 + size)
            if len(sound) <= 4 or says_nothing(size, 24):  # 0, or that of a block with its head alone, or the largest
                return read_unannounced(content, begin)
            sounds.append(range(sound.start, min(sound.stop, content.size)))
            announced += len(sound)
        elif kind == _VOC_SILENCE or size == 0:
            return Part((), content.size, flaw="holds blocks without sound")
        at += 4 + size
    if not sounds:
        return read_unannounced(content, begin)
    end = (
        (b"\0",) if len(sounds) > 1 else ()
    )  # the decoder takes the last byte for the end where it is not that of a block
    view = (range(begin, sounds[0].start), *sounds, *end)
    return Part(view, min(at + 1, content.size), announced, sum(map(len, sounds)))


def read_unannounced(content: Content, begin: int) -> Part:
    """Take all of the file, where a header announces no length."""
    return Part((range(begin, content.size),), content.size)


def _plain(content: Content, begin: int, sound: int, size: int) -> Part:
    there = max(0, min(size, content.size - sound))
    return Part((range(begin, sound + there),), sound + there, announced=size, there=there)
