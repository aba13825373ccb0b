"""MP3: frames, each with a header, the first of which may announce how many there are."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from asd_edge.calibration.audio.containers.part import Content, Part, View

_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""The bit rates of MPEG 1, and of MPEG 2 and 2.5, by their index."""
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""The sample rates of MPEG 1, 2 and 2.5 by their index."""
_LOST = 1 << 16
_LOOKED_AT = 1 << 12
"""What separates two frames at most, a picture or a tag that is not known, and how much of it is looked at at once."""
_XING = (b"Xing", b"Info")
"""How an announcement begins that the decoder knows."""
_ITSELF = 1
"""Encoders count the frame that announces the others, or do not."""


@dataclass(frozen=True)
class _Frame:
    form: tuple[int, int, bool]
    """the version of MPEG, the index of the sample rate, and whether there is one channel"""
    length: int
    samples: int
    side: int
    """how many bytes stand between the header and what a first frame announces"""


def read_mp3(content: Content, begin: int) -> Part:
    """Walk through the frames of a stream to its end, or to where another one begins.

    Args:
        content: The file.
        begin: The place of the first frame.
    """
    first = _frame(content, begin)
    if first is None:
        return Part((range(begin, content.size),), content.size)
    announced = _announced(content, begin, first)
    at = sound = begin + (first.length if announced is not None else 0)
    frames = 0
    while at < content.size:
        frame = _frame(content, at)
        if frame is None:
            following = _next_frame(content, at)
            if following is None:
                break
            at = following
            continue
        another = frame.form != first.form or _announced(content, at, frame) is not None
        if another or at + frame.length > content.size:
            break
        frames += 1
        at += frame.length
    if announced is not None and frames <= announced + _ITSELF and _by_xing(content, begin, first):
        view: View = (range(begin, at),)
    else:  # without an announcement that it knows, or after a wrong one, the decoder guesses how long the sound is
        view = (_announcement(content.read(begin, 4), first, frames), range(sound, at))
    there = frames + _ITSELF if announced is not None and frames < announced else frames
    end = content.size if _cut_frame(content, at) else at
    return Part(view, end, announced, there, "frames")


def _cut_frame(content: Content, at: int) -> bool:
    """Whether a frame begins here that the end of the file cuts off."""
    frame = _frame(content, at)
    return frame is not None and at + frame.length > content.size


def _frame(content: Content, at: int) -> _Frame | None:
    head = content.read(at, 4)
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, rate, bits = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or bits in (0, 15):
        return None
    full, mono = version == 3, head[3] >> 6 == 3
    length = (144 if full else 72) * 1000 * _KBITS[full][bits] // _RATES_HZ[version][rate] + (head[2] >> 1 & 1)
    side = (17 if mono else 32) if full else (9 if mono else 17)
    return _Frame((version, rate, mono), length, 1152 if full else 576, side)


def _announced(content: Content, at: int, frame: _Frame) -> int | None:
    """How many frames the one at a place announces; none where it is one of sound."""
    tag = content.read(at + 4 + frame.side, 12)
    if tag[:4] in _XING and len(tag) == 12:
        flags, frames = struct.unpack(">II", tag[4:])
        return int(frames) if flags & 1 else None
    tag = content.read(at + 36, 18)
    return int.from_bytes(tag[14:], "big") if tag[:4] == b"VBRI" and len(tag) == 18 else None


def _by_xing(content: Content, at: int, frame: _Frame) -> bool:
    """Whether the frame announces others in the way that the decoder knows."""
    return content.read(at + 4 + frame.side, 4) in _XING


def _announcement(head: bytes, frame: _Frame, frames: int) -> bytes:
    """A frame without sound that announces how many follow."""
    version, sample_rate, _ = frame.form
    full = version == 3
    rate = (5 if full else 8) << 4  # 64 kbit/s, which gives room enough at every sample rate
    header = bytes((0xFF, head[1] | 1, rate | head[2] & 0x0C, head[3]))
    length = (144 if full else 72) * 64_000 // _RATES_HZ[version][sample_rate]
    return (header + bytes(frame.side) + b"Xing" + struct.pack(">II", 1, frames)).ljust(length, b"\0")


def _next_frame(content: Content, at: int) -> int | None:
    """The place of the next frame behind what is none, such as a tag."""
    begin = skip_tag(content, at)
    for near_at in range(begin, min(begin + _LOST, content.size), _LOOKED_AT):
        near, found = content.read(near_at, _LOOKED_AT), -1
        while (found := near.find(b"\xff", found + 1)) >= 0:
            frame = _frame(content, near_at + found)
            if frame is not None and _frame(content, near_at + found + frame.length) is not None:
                return near_at + found
    return None


def skip_tag(content: Content, at: int) -> int:
    """The place behind a tag, ID3 of either version or APE, that begins here; the same place where none does."""
    head = content.read(at, 16)
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 128:
        return at + 10 + sum(byte << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
    if head[:3] == b"TAG":
        return at + 128
    if head[:8] == b"APETAGEX" and len(head) == 16:
        return at + 32 + int.from_bytes(head[12:16], "little")
    return at
