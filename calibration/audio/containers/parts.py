"""Which streams of sound a file holds."""

from __future__ import annotations

from collections.abc import Callable

from asd_edge.calibration.audio.containers import chunks
from asd_edge.calibration.audio.containers.flac import read_flac
from asd_edge.calibration.audio.containers.mp3 import read_mp3, skip_tag
from asd_edge.calibration.audio.containers.ogg import read_ogg
from asd_edge.calibration.audio.containers.part import Content, Part
from asd_edge.calibration.audio.containers.plain import read_au, read_nist, read_unannounced, read_voc

_Reader = Callable[[Content, int], Part]
_READERS: dict[bytes, _Reader] = {
    **dict.fromkeys(chunks.CONTAINERS, chunks.read_chunks),
    b"fLaC": read_flac,
    b"OggS": read_ogg,
    b".snd": read_au,
    b"dns.": read_au,
    b"NIST_1A\n": read_nist,
    b"Creative Voice File\x1a": read_voc,
    b"PVF1\n": read_unannounced,
    b" paf": read_unannounced,
    b"fap ": read_unannounced,
    **{bytes((0x64, 0xA3, kind, 0)): read_unannounced for kind in range(1, 5)},  # IRCAM, of either order of bytes
    **{bytes((0, kind, 0xA3, 0x64)): read_unannounced for kind in range(1, 5)},
}
"""The readers by the first bytes of what they read."""
_MOST_PARTS = 1000
"""A day's recording that was cut every few minutes has hundreds."""
_MOST_TAGS = 4
"""A file has an ID3 tag, and perhaps one of APE and an older one beside it."""
_PADDING = 1 << 16
"""How much of what is behind the sound is looked at."""


class UnknownContainerError(Exception):
    """A file is of no kind whose completeness can be found out."""


def read_parts(content: Content) -> tuple[list[Part], int]:
    """Find the streams of sound of a file.

    Args:
        content: The file.

    Returns:
        The streams in order, and how many bytes are behind them of which nobody knows what they are.

    Raises:
        UnknownContainerError: The file begins as no container does that is read here.
    """
    parts: list[Part] = []
    at = 0
    while at < content.size and len(parts) < _MOST_PARTS:
        for _ in range(_MOST_TAGS):
            at = skip_tag(content, at)
        reader = _reader(content, at, mp3=not parts or parts[0].unit == "frames")
        if reader is None:
            break
        part = reader(content, at)
        parts.append(part)
        if part.fault:
            break  # the file is refused for it, whatever follows
        at = max(part.end, at + 1)
    if not parts:
        raise UnknownContainerError
    behind = content.read(at, _PADDING)
    return parts, content.size - at if behind.strip(b"\0") else 0


def _reader(content: Content, at: int, mp3: bool) -> _Reader | None:
    head = content.read(at, 32)
    found = next((reader for magic, reader in _READERS.items() if head.startswith(magic)), None)
    if found is None and mp3 and len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return read_mp3
    return found
