"""Sound files, opened and read with care: what is missing, damaged or truncated is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import SoundError

if TYPE_CHECKING:
    import soundfile

ENDINGS = (".wav", ".flac", ".ogg")
"""The endings of the files that are read."""
_STREAMED = 0xFFFFFFFF
"""The length that a recorder announces for a WAV file which it writes into a pipe, because it does not know it yet."""


def open_sound(file: Path) -> soundfile.SoundFile:
    """Open a sound file and check what can be known before it is decoded.

    Args:
        file: The path of the file.

    Raises:
        SoundError: The file is missing, unreadable, empty or truncated.
    """
    import soundfile  # only commands that read files need it

    try:
        opened = soundfile.SoundFile(file)
    except (soundfile.LibsndfileError, OSError) as error:
        raise _damaged(file, f"cannot be read as sound: {error}") from error
    # libsndfile reads what there is of a truncated file, and says so in its log only.
    shortened = re.search(r"^data : (\d+) \(should be (\d+)\)", opened.extra_info, re.MULTILINE)
    if shortened and int(shortened[2]) < int(shortened[1]) != _STREAMED:
        raise _damaged(file, f"is truncated: {shortened[1]} bytes of sound announced, {shortened[2]} there")
    if "lacks an end-of-stream" in opened.extra_info:
        raise _damaged(file, "is truncated: the page that ends the stream is missing")
    if opened.frames > 1 << 48:
        raise _damaged(file, "is truncated: its recorder was stopped before it wrote the length")
    if opened.frames == 0:
        raise _damaged(file, "holds no sound")
    return opened


def read_block(opened: soundfile.SoundFile, file: Path, done: int, frames: int) -> FloatArray:
    """Read the next samples of an opened file.

    Args:
        opened: The file, as `open_sound` gives it.
        file: The path of the file, for the message.
        done: The number of frames that were read before.
        frames: The largest number of frames to read.

    Returns:
        (up to `frames`, channels) float32 in [-1, 1].

    Raises:
        SoundError: The file is damaged here, ends here though it announced more, or holds what is not a number.
    """
    import soundfile

    at = f"at {done / opened.samplerate:.1f} s"
    try:
        samples: FloatArray = opened.read(frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _damaged(file, f"is damaged {at}: {error}") from error
    if len(samples) == 0:
        raise _damaged(file, f"is truncated: {opened.frames} samples announced, {done} there")
    if not np.isfinite(samples).all():
        raise _damaged(file, f"holds values that are not numbers, {at}")
    return samples


def _damaged(file: Path, what: str) -> SoundError:
    """The error for a file that cannot be used; `what` says why."""
    return SoundError(
        f"The sound file {what}.",
        got=file,
        valid=f"a whole file with sound in it ({', '.join(ENDINGS)})",
        next_step="record or copy it again, or leave it out",
    )
