"""Sound files, opened and read with care: what is missing, damaged or truncated is refused by name.

What the file announces, what is in it and what the decoder gives are compared; what announces no length is read to the
end. The decoder is libsndfile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asd_edge.calibration.audio.containers.part import Content, View, ViewReader
from asd_edge.calibration.audio.containers.parts import UnknownContainerError, read_parts
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import SoundError
from asd_edge.calibration.wording import counted

if TYPE_CHECKING:
    import soundfile

log = logging.getLogger(__name__)

ENDINGS = (".wav", ".flac", ".ogg")
"""The endings of the files that are read from a folder."""
MIN_RATE_HZ = 1_000
"""The lowest sample rate that is heard: up to 500 Hz, as from an accelerometer. Below, a header is taken for wrong."""
MAX_RATE_HZ = 4_000_000
"""The highest sample rate that is heard: that of ultrasound recorders and more. Above, a header is taken for wrong."""
RATES = f"{MIN_RATE_HZ} and {MAX_RATE_HZ} Hz"
"""The bounds of the rates that are heard, in words."""
_READING = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How files are opened: a pipe among the clips of a data set is refused, and nobody waits for its writer."""
_MOST_AT_ONCE = 1 << 22
"""How many samples of all channels are decoded at once: 16 MB, whatever a header announces."""
_NO_LENGTH = 1 << 48
"""A decoder that does not know how long the sound is tells a number beyond any file."""


class SoundFile:
    """An open sound file. It is a context manager that closes the file.

    Args:
        path: The path of the file.
        name: What it is called in messages; its path when left out.

    Attributes:
        name: What the file is called in messages.
        content: The bytes of the file.
        rate_hz: The sample rate in Hz.
        channels: The number of channels.
        frames: The length, in samples of each channel.

    Raises:
        SoundError: The file is missing, unreadable, empty, truncated or of a kind that is not read, or its header
            cannot be true.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.name = name or str(path)
        try:
            self._handle = os.open(path, _READING)
        except (OSError, ValueError) as error:
            raise self._fault(f"cannot be read: {reason_of(error)}") from error
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.content = Content(self._handle)
        try:
            parts, self._behind = read_parts(self.content)
        except UnknownContainerError:
            raise self._fault("cannot be read as sound: it is of no kind that is known here") from None
        except OSError as error:
            raise self._fault(f"cannot be read: {reason_of(error)}") from error
        self._views: list[tuple[View, int]] = []
        forms = set()
        for number, part in enumerate(parts, start=1):
            of = f" (stream {number} of {len(parts)})" if len(parts) > 1 else ""
            if part.fault:
                raise self._fault(part.fault + of)
            form, frames = self._looked_at(part.view, of)
            forms.add(form)
            self._views.append((part.view, frames))
        if len(forms) > 1:
            listed = " and ".join(
                f"{counted(channels, 'channel')} at {rate_hz} Hz" for rate_hz, channels in sorted(forms)
            )
            raise self._fault(f"holds streams of several forms, {listed}")
        ((self.rate_hz, self.channels),) = forms
        self.frames = sum(frames for _, frames in self._views)
        if self.frames == 0:
            raise self._fault("holds no sound")

    def _looked_at(self, view: View, of: str) -> tuple[tuple[int, int], int]:
        """Open a stream once, for its rate and channels, and its number of frames."""
        _, opened = self._decoder(view, of)
        with opened:
            form, frames = (opened.samplerate, opened.channels), opened.frames
            if not rate_is_heard(form[0]):
                raise self._fault(f"announces a rate of {form[0]} Hz, which is not between {RATES}{of}")
            if frames >= _NO_LENGTH:
                raise self._fault(f"does not tell how long it is{of}")
        return form, frames

    def blocks(self, frames: int) -> Iterator[FloatArray]:
        """Give the sound from its beginning to its end.

        Args:
            frames: The largest number of frames at once.

        Yields:
            (up to `frames`, channels) float32, in [-1, 1] where the file keeps to that; fewer frames at a time where
            there are very many channels.

        Raises:
            SoundError: The file is damaged, ends though it announced more, or holds what is not a number.
        """
        if self._behind:
            log.info(
                "%s: %s behind the sound are of an unknown kind and not read.", self.name, counted(self._behind, "byte")
            )
        size = max(1, min(frames, _MOST_AT_ONCE // self.channels))
        done = 0
        for view, announced in self._views:
            reader, opened = self._decoder(view, "")
            with opened:
                end = done + announced
                while done < end:
                    samples = self._read(reader, opened, done, min(size, end - done))
                    done += len(samples)
                    yield samples

    def _read(self, reader: ViewReader, opened: soundfile.SoundFile, done: int, frames: int) -> FloatArray:
        import soundfile

        at = f"at {done / self.rate_hz:.1f} s"
        try:
            samples: FloatArray = opened.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise self._fault(f"is damaged {at}: {error}") from error
        if reader.error is not None:
            raise self._fault(f"cannot be read {at}: {reason_of(reader.error)}") from reader.error
        if len(samples) == 0:
            raise self._fault(f"is truncated: {self.frames} samples announced, {done} there")
        if not np.isfinite(samples).all():
            raise self._fault(f"holds values that are not numbers, {at}")
        return samples

    def _decoder(self, view: View, of: str) -> tuple[ViewReader, soundfile.SoundFile]:
        import soundfile  # only commands that read files need it

        reader = ViewReader(self.content, view)
        try:
            return reader, soundfile.SoundFile(reader)
        except soundfile.LibsndfileError as error:
            reason = reason_of(reader.error) if reader.error else error.error_string
            raise self._fault(f"cannot be read as sound: {reason}{of}") from error

    def close(self) -> None:
        """Close the file; once more does nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __enter__(self) -> SoundFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fault(self, what: str) -> SoundError:
        """The error for a file that cannot be used; `what` says why."""
        return SoundError(
            f"The sound file {what}.",
            got=self.name,
            valid=f"a whole file with sound in it ({', '.join(ENDINGS)})",
            next_step="record or copy it again, or leave it out",
        )


def rate_is_heard(rate_hz: int) -> bool:
    """Whether a sample rate in Hz is one that converters have. What is beyond that may ask for any amount of memory."""
    return MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ


def reason_of(error: Exception) -> str:
    """Why a file could not be opened or read, in words without its name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
