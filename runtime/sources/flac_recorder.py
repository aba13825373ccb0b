"""Keeping the sound that is enrolled, in FLAC files of a minute each.

A file is hidden until all of it is on the disk: whoever reads the folder meanwhile, or after a power loss, finds whole
files alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from asd_edge.calibration.atomic_files import check_writable, make_folder, sync_folder
from asd_edge.calibration.audio.channels import Channel, select_channel
from asd_edge.calibration.audio.sound_file import reason_of
from asd_edge.calibration.audio.windowing import MIN_CLIP_S
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.sources.source import Block, Event

FILE_S = 60
"""The length of a file in seconds. A power loss costs the open one; a minute is a whole number of windows for any hop
that divides it, so that enrolling from the files cuts the same windows."""
_ROUNDED_S = 1e-3
"""Times of windows are rounded to less than this."""
UNFINISHED = ".flac.unfinished"
"""The ending of a file that is being written, whose name begins with a dot. What a power loss leaves of it can be heard
when it is renamed to end in .flac."""


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
        self._number = 0
        self._file: _OpenFile | None = None
        self._recording = ""
        self._begins: list[tuple[str, float, Path]] = []
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

    def where(self, recording: str, start_s: float) -> tuple[Path, float] | None:
        """The file in which a moment is kept, and where in it in seconds; none where it was not kept.

        Args:
            recording: The id of the recording.
            start_s: The moment in it, in seconds as blocks and windows count them.
        """
        for held, begins_s, path in reversed(self._begins):
            if held == recording and begins_s <= start_s + _ROUNDED_S:
                return (path, max(0.0, start_s - begins_s)) if path in self.files else None
        return None

    def _write(self, block: Block) -> None:
        if block.recording.id != self._recording:
            self._close()
            self._recording = block.recording.id
        samples = select_channel(block.samples, self._channel, block.recording.source)
        every = len(samples)
        while len(samples):
            with self._explained():
                if self._file is None:
                    self._file = self._open(block.rate_hz)
                    begins_s = block.start_s + (every - len(samples)) / block.rate_hz
                    self._begins.append((block.recording.id, begins_s, self._file.path))
                samples = self._file.write(samples)
            if self._file.left == 0:
                self._close()

    def _open(self, rate_hz: int) -> _OpenFile:
        """Begin a file whose name nobody has.

        Another enrolment may have begun in the same second, or the clock was set back.
        """
        while True:
            name = f"{self._began}-{self._number:04d}"
            self._number += 1
            path = self._folder / f"{name}.flac"
            hidden = self._folder / f".{name}{UNFINISHED}"
            try:
                handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
            except FileExistsError:
                continue
            if not path.exists():  # whoever would write it needs the hidden file first
                return _OpenFile(path, hidden, handle, rate_hz)
            os.close(handle)
            hidden.unlink()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with self._explained():
                if file.close():
                    self.files.append(file.path)
                    sync_folder(self._folder)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        import soundfile

        try:
            yield
        except (OSError, soundfile.LibsndfileError) as error:
            raise InputError(
                f"Cannot keep the sound: {reason_of(error)}.",
                got=self._folder,
                valid="a disk with space for about 9 MB a minute at 48 kHz",
                next_step="free some space, then go on with --append",
            ) from error


class _OpenFile:
    """A file that is being written.

    Args:
        path: The path that it will have.
        hidden: The path that it has.
        handle: The file descriptor of the hidden path, open for writing.
        rate_hz: The sample rate.
    """

    def __init__(self, path: Path, hidden: Path, handle: int, rate_hz: int) -> None:
        import soundfile

        self.path = path
        self._hidden = hidden
        self._handle = handle
        self._written = 0
        self._whole_so_far = True
        self._whole = FILE_S * rate_hz
        self._least = MIN_CLIP_S * rate_hz
        self._sound = soundfile.SoundFile(handle, "w", rate_hz, 1, subtype="PCM_24", format="FLAC", closefd=False)

    @property
    def left(self) -> int:
        """How many samples there is room for."""
        return self._whole - self._written

    def write(self, samples: FloatArray) -> FloatArray:
        """Write what there is room for and give back the rest.

        Raises:
            OSError: The disk is full.
        """
        now = samples[: self.left]
        self._whole_so_far = False
        try:
            self._sound.write(now)
        except AssertionError:  # the binding of the encoder has no other word for a disk that took a part of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        self._whole_so_far = True
        self._written += len(now)
        return samples[len(now) :]

    def close(self) -> bool:
        """Give the file its name, and say whether it has it.

        One that is too short for any window is removed, and one that the disk did not take all of stays hidden.

        Raises:
            OSError: The end of it cannot be written.
        """
        try:
            self._sound.close()
            kept = self._whole_so_far and self._written >= self._least
            if kept:
                os.fsync(self._handle)
                self._hidden.replace(self.path)
            elif self._whole_so_far:
                self._hidden.unlink()
        finally:
            os.close(self._handle)
        return kept
