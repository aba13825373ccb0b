"""A corpus of sound files as they are found in the field: of every container, whole and odd, with their length."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator

import numpy as np
import soundfile

RATE_HZ = 16_000
FRAMES = 32_000
ID3 = b"ID3\x04\0\0\0\0\1\0" + bytes(128)
OLD_ID3 = b"TAG" + b"x" * 125
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "ulaw.wav": ("WAV", "ULAW"),
    "wavex.wav": ("WAVEX", "PCM_24"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "aifc": ("AIFF", "ULAW"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "alac.caf": ("CAF", "ALAC_16"),
    "svx": ("SVX", "PCM_16"),
    "nist": ("NIST", "PCM_16"),
    "voc": ("VOC", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "opus.ogg": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
"""The containers whose completeness is found out, by the ending of a file."""


def noise(frames: int = FRAMES, channels: int = 1) -> np.ndarray:
    """Noise below full scale, (frames, channels)."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels))


def sound(ending: str, frames: int = FRAMES, rate_hz: int = RATE_HZ, channels: int = 1) -> bytes:
    """A whole file of noise."""
    container, subtype = FORMATS[ending]
    file = io.BytesIO()
    soundfile.write(file, noise(frames, channels), rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def patched(content: bytes, at: int, data: bytes) -> bytes:
    """The content with other bytes at a place."""
    return content[:at] + data + content[at + len(data) :]


def wav(size: int | None = None, riff: int | None = None) -> bytes:
    """A WAV file that announces other lengths than it has."""
    content = sound("wav")
    if size is not None:
        content = patched(content, content.index(b"data") + 4, struct.pack("<I", size))
    return content if riff is None else patched(content, 4, struct.pack("<I", riff))


def flac_without_length(content: bytes) -> bytes:
    """A FLAC file as a recorder leaves it that never came to write how many samples there are."""
    return patched(content, 21, bytes([content[21] & 0xF0, 0, 0, 0, 0]))


def without_length() -> Iterator[tuple[str, bytes]]:
    """Files whose recorder did not know the length, or died before it wrote that; all hold `FRAMES`."""
    for size in (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFDB, 0xFFFFFFFF):
        for riff in (None, 0, 36, 0xFFFFFFFF):
            yield f"wav, {size:#x} in {riff}", wav(size, riff)
    aiff, au, caf, w64, rf64 = (sound(ending) for ending in ("aiff", "au", "caf", "w64", "rf64"))
    for length in (b"\0" * 4, b"\xff" * 4):
        yield f"au, {length!r}", patched(au, 8, length)
        yield f"aiff, {length!r}", patched(patched(aiff, 4, length), aiff.index(b"SSND") + 4, length)
    for length in (b"\0" * 8, b"\xff" * 8):
        yield f"caf, {length!r}", patched(caf, caf.index(b"data") + 4, length)
        yield f"w64, {length!r}", patched(patched(w64, 16, length), w64.index(b"data") + 16, length)
        yield f"rf64, {length!r}", patched(rf64, rf64.index(b"ds64") + 8, 3 * length)
        yield f"rf64, data alone {length!r}", patched(rf64, rf64.index(b"ds64") + 16, length)
    voc, nist = sound("voc"), sound("nist")
    yield "voc, 0", patched(voc, 27, b"\0\0\0")
    yield "voc, largest", patched(voc, 27, b"\xff\xff\xff")
    yield "nist, 0", nist.replace(b"sample_count -i 32000", b"sample_count -i 0    ")
    yield "flac, 0", flac_without_length(sound("flac"))


def odd() -> Iterator[tuple[str, bytes]]:
    """Whole files that have more, or something else, than the plain ones; all hold `FRAMES`."""
    for ending in FORMATS:
        content = sound(ending)
        yield f"{ending}, a tag before", ID3 + content
        yield f"{ending}, a tag behind", content + OLD_ID3
        yield f"{ending}, padding behind", content + bytes(1000)
    plain = sound("wav")
    form = plain.index(b"fmt ")
    for name, size in ((b"JUNK", 28), (b"bext", 602), (b"LIST", 27)):
        chunk = name + struct.pack("<I", size) + bytes(size + size % 2)
        yield f"wav, {name!r} before the form", plain[:form] + chunk + plain[form:]
        yield f"wav, {name!r} behind the sound", plain + chunk
    yield "bw64", patched(sound("rf64"), 0, b"BW64")
    yield "rifx", big_endian(plain)
    yield "voc, several blocks", voc_blocks(4000)


def big_endian(plain: bytes) -> bytes:
    """A WAV file with the other order of bytes."""
    samples = np.frombuffer(plain[44:], "<i2").astype(">i2").tobytes()
    form = struct.pack(">4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    chunks = form + struct.pack(">4sI", b"data", len(samples)) + samples
    return struct.pack(">4sI4s", b"RIFX", 4 + len(chunks), b"WAVE") + chunks


def voc_blocks(frames: int) -> bytes:
    """A VOC file whose sound comes in blocks of so many samples."""
    content = sound("voc")
    samples, size = content[42:-1], 2 * frames
    first = b"\x09" + (size + 12).to_bytes(3, "little") + content[30:42] + samples[:size]
    rest = (samples[at : at + size] for at in range(size, len(samples), size))
    blocks = [b"\x02" + len(each).to_bytes(3, "little") + each for each in rest]
    return content[:26] + first + b"".join(blocks) + b"\0"


def mp3_without_announcement() -> tuple[bytes, int]:
    """An MP3 file whose first frame is one of sound, and how many frames it has."""
    content = sound("mp3")
    begin = content.index(b"\xff\xf3")
    frames = struct.unpack(">I", content[(at := re.search(rb"Xing|Info", content).end()) + 4 : at + 8])[0]  # type: ignore[union-attr]
    return content[content.index(b"\xff\xf3", begin + 4) :], frames


def vbri(content: bytes, frames: int) -> bytes:
    """A frame as Fraunhofer's encoder writes it, which announces the frames of the content."""
    head = struct.pack(">4sHHHIIHHHH", b"VBRI", 1, 0, 0, len(content), frames, 1, 1, 2, frames)
    return (content[:4] + bytes(32) + head).ljust(288, b"\0")
