"""Sound from files: WAV, FLAC and Ogg, one or a folder of them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from asd_edge.calibration.audio.sound_file import ENDINGS, open_sound, read_block
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.dcase.data_set import domain_of
from asd_edge.calibration.errors import SoundError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.sources.source import Block, Source, SourceRequest, paced

_BLOCK_S = 1.0
_REALTIME_BLOCK_S = 0.5
"""Sound that is played at its own pace comes in shorter blocks, so that a window is late by half a second at most."""
_DIGEST_BYTES = 1 << 20
"""Files are told apart by so many bytes from each end: enough to differ, and quick for hours of sound."""


class FileSource(Source):
    """Sound from files, each a recording of its own.

    Args:
        paths: One path or several, of files, or of folders whose files are taken in the order of their names.
        realtime: Whether to give the sound at the pace it was recorded at.

    Attributes:
        files: The files in the order in which they are heard.

    Raises:
        SoundError: A file is missing, unreadable, empty or truncated, a folder holds none, or there is no path.
    """

    @checked
    def __init__(self, paths: str | Path | Sequence[str | Path], realtime: bool = False) -> None:
        given = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
        if not given:
            raise SoundError(
                "There is no path of sound.",
                got="an empty list",
                valid="one path or several, of files or folders",
                next_step='write FileSource("recordings")',
            )
        self.files = tuple(file for path in given for file in _expand(path))
        self.live = realtime
        self.name = str(given[0]) if len(given) == 1 else f"{len(self.files)} files"
        durations_s = [_duration_s(file) for file in self.files]
        self.duration_s = sum(durations_s)
        self._longest_s = max(durations_s)

    @classmethod
    def open(cls, request: SourceRequest) -> FileSource:
        """Open ``files:PATH``."""
        return cls(request.address, request.realtime)

    @property
    def longest_s(self) -> float:
        """How long the longest file is, in seconds."""
        return self._longest_s

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        """Give the blocks of the files in order; see `Source`."""
        block_s = _REALTIME_BLOCK_S if self.live else _BLOCK_S
        blocks = (block for file in self.files for block in _blocks(file, block_s))
        for block in paced(blocks, stop) if self.live else blocks:
            if stop.is_set():
                return
            yield block


def _duration_s(file: Path) -> float:
    with open_sound(file) as opened:
        return float(opened.frames / opened.samplerate)


def _expand(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SoundError(
            "There is no such sound file or folder.",
            got=path,
            valid=f"a file ({', '.join(ENDINGS)}) or a folder of them",
            next_step="check the path",
        )
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    if not files:
        raise SoundError(
            "The folder holds no sound files.",
            got=path,
            valid=f"files ending in {', '.join(ENDINGS)}, directly in it",
            next_step="name the folder that holds the files themselves",
        )
    return files


def _blocks(file: Path, block_s: float) -> Iterator[Block]:
    recording = Recording(_digest(file), str(file), domain_of(file))
    with open_sound(file) as opened:
        rate_hz, frames = opened.samplerate, opened.frames
        done = 0
        while done < frames:
            samples = read_block(opened, file, done, max(1, int(block_s * rate_hz)))
            start_s = done / rate_hz
            done += len(samples)
            yield Block(samples, rate_hz, recording, start_s, last=done >= frames)


def _digest(file: Path) -> str:
    """A digest that tells files of other content apart, by their size, beginning and end."""
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as opened:
        digest.update(opened.read(_DIGEST_BYTES))
        opened.seek(max(0, size - _DIGEST_BYTES))
        digest.update(opened.read())
    return digest.hexdigest()
