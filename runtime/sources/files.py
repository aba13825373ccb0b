"""Sound from files: WAV, FLAC and Ogg, one or a folder of them, and the FLAC files that enrolment keeps."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from asd_edge.calibration.atomic_files import check_writable, make_folder
from asd_edge.calibration.audio.sound_file import ENDINGS, MIN_CLIP_S, Channel, open_sound, read_block, select_channel
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.dcase.data_set import domain_of
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.runtime.sources.source import Block, Event

_BLOCK_S = 1.0
_REALTIME_BLOCK_S = 0.5
_DIGEST_BYTES = 1 << 20
KEPT_FILE_S = 60
"""Length of a kept FLAC file. A power loss costs the open one, since FLAC is unreadable before it is closed; a minute
is a whole number of windows for any hop that divides it, so that enrolling from the files cuts the same windows."""


class FileSource:
    """Sound from files, each a recording of its own.

    Args:
        paths: Files, or folders whose files are taken in name order.
        realtime: Give the sound at the pace it was recorded at.

    Raises:
        SoundError: A file is missing, unreadable, empty or truncated, or a folder holds none.
    """

    def __init__(self, paths: Sequence[str | Path], realtime: bool = False) -> None:
        self.files = tuple(file for path in paths for file in _expand(Path(path)))
        self.live = realtime
        self.name = str(paths[0]) if len(paths) == 1 else f"{len(self.files)} files"
        self.duration_s = 0.0
        self.longest_s = 0.0
        for file in self.files:
            with open_sound(file) as opened:
                duration_s = opened.frames / opened.samplerate
            self.duration_s += duration_s
            self.longest_s = max(self.longest_s, duration_s)

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        """Give the files' blocks in order; see `Source`."""
        began = time.monotonic()
        played_s = 0.0
        for file in self.files:
            for block in _blocks(file, _REALTIME_BLOCK_S if self.live else _BLOCK_S):
                played_s += len(block.samples) / block.rate_hz
                if self.live:
                    stop.wait(began + played_s - time.monotonic())
                if stop.is_set():
                    return
                yield block


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
    """Tells files with other content apart, by their size, beginning and end."""
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as opened:
        digest.update(opened.read(_DIGEST_BYTES))
        opened.seek(max(0, size - _DIGEST_BYTES))
        digest.update(opened.read())
    return digest.hexdigest()


class KeptAudio:
    """Writes one channel of what passes by to FLAC files of a minute, at the source's own rate, in 24 bits.

    Args:
        folder: Where; made when missing.
        channel: Which channel.

    Raises:
        InputError: The folder cannot be written to.
    """

    def __init__(self, folder: Path, channel: Channel) -> None:
        make_folder(folder, "the sound", "--keep-audio")
        check_writable(folder / "sound.flac")
        self._folder = folder
        self._channel = channel
        self._began = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self._file: Any = None
        self._recording = ""
        self._left = 0
        self.files: list[Path] = []

    def keep(self, sound: Iterable[Block | Event]) -> Iterator[Block | Event]:
        """Pass everything on, writing the sound as it goes.

        Raises:
            InputError: The disk is full.
        """
        try:
            for item in sound:
                if isinstance(item, Block):
                    self._write(item)
                yield item
        finally:
            self._close()

    def _write(self, block: Block) -> None:
        import soundfile

        if block.recording.id != self._recording:
            self._close()
            self._recording = block.recording.id
        samples = select_channel(block.samples, self._channel, block.recording.source)
        try:
            while len(samples):
                if self._file is None:
                    path = self._folder / f"{self._began}-{len(self.files):04d}.flac"
                    self._file = soundfile.SoundFile(path, "w", block.rate_hz, 1, subtype="PCM_24")
                    self._left = KEPT_FILE_S * block.rate_hz
                    self.files.append(path)
                self._file.write(samples[: self._left])
                written = min(self._left, len(samples))
                samples, self._left = samples[written:], self._left - written
                if self._left == 0:
                    self._close()
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"Cannot keep the sound: {error}.",
                got=self._folder,
                valid="a disk with space for about 9 MB a minute at 48 kHz",
                next_step="free some space, then go on with --append",
            ) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            written = KEPT_FILE_S * file.samplerate - self._left
            file.close()
            if written < MIN_CLIP_S * file.samplerate:
                self.files.pop().unlink()  # too short for any window: reading the folder back would stumble over it
