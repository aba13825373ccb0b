"""Keeping the sound that is enrolled, in FLAC files of a minute each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from asd_edge.calibration.atomic_files import check_writable, make_folder
from asd_edge.calibration.audio.channels import Channel, select_channel
from asd_edge.calibration.audio.windowing import MIN_CLIP_S
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.sources.source import Block, Event

FILE_S = 60
"""The length of a file in seconds. A power loss costs the open one, since FLAC is unreadable before it is closed; a
minute is a whole number of windows for any hop that divides it, so that enrolling from the files cuts the same
windows."""


class FlacRecorder:
    """A recorder that writes one channel of what passes by, at the source's own rate and in 24 bits.

    Args:
        folder: Where the files go. The folder is made when it is missing.
        channel: The channel that is kept, from 1, or ``mix``.

    Attributes:
        files: The files written so far, in order of time.

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
                    self._left = FILE_S * block.rate_hz
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
            written = FILE_S * file.samplerate - self._left
            file.close()
            if written < MIN_CLIP_S * file.samplerate:
                self.files.pop().unlink()  # too short for any window: reading the folder back would stumble over it
