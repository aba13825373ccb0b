"""Sound files, opened with care; and clips of them, cut into windows the way the device cuts what it hears."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import SoundError

if TYPE_CHECKING:
    import soundfile

Channel = int | Literal["mix"]
"""A channel of the source, counted from 1, or the mean of all."""

ENDINGS = (".wav", ".flac", ".ogg")
MIN_CLIP_S = 1.0
"""A recording shorter than the window is repeated to fill it; below this it is hardly a sound of a machine."""
MIN_TAIL_S = 1.0
"""What is left after the last hop gets a window of its own, ending where the recording ends, from this length on."""
_STREAMED = 0xFFFFFFFF
"""What a recorder that writes into a pipe announces as the length of a WAV file, not knowing it."""


class Damaged:
    """Counts clips that cannot be used, or stops at the first.

    Args:
        skip: Go on without them.
        tell: Called with what was left out and why.
    """

    def __init__(self, skip: bool, tell: Callable[[str], None]) -> None:
        self._skip = skip
        self._tell = tell
        self.count = 0

    def add(self, error: SoundError) -> None:
        """Note a clip that cannot be used.

        Raises:
            SoundError: This very one, where clips are not to be skipped.
        """
        if not self._skip:
            error.next_step += "; or leave such clips out with --skip-damaged"
            raise error
        self.count += 1
        self._tell(f"left out: {error.got}: {error.what}")


def parse_channel(text: str) -> Channel:
    """Read ``--channel``.

    Raises:
        SoundError: Neither a number from 1 nor ``mix``.
    """
    if text == "mix":
        return "mix"
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise SoundError("There is no such channel.", got=text, valid="1, 2, ... or mix", next_step="try --channel 1")


def select_channel(samples: FloatArray, channel: Channel, source: str) -> FloatArray:
    """One channel of ``(frames, channels)``, or the mean of all: ``(frames,)``.

    Args:
        samples: The sound.
        channel: Which.
        source: Where it comes from, for the message.

    Raises:
        SoundError: The source has fewer channels.
    """
    channels = samples.shape[1]
    if channel == "mix":
        return np.asarray(samples.mean(axis=1, dtype=np.float32))
    if channel > channels:
        raise SoundError(
            "The source has no such channel.",
            got=f"channel {channel} of {source}",
            valid=f"1 to {channels}, or mix",
            next_step="try --channel 1",
        )
    return samples[:, channel - 1]


def open_sound(file: Path) -> soundfile.SoundFile:
    """Open a sound file and check what can be known before decoding it.

    Raises:
        SoundError: It is missing, unreadable, empty or truncated.
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
    """The next samples of an opened file, ``(up to frames, channels)`` in [-1, 1].

    Args:
        opened: The file, as `open_sound` gives it.
        file: Its path, for the message.
        done: Frames that were read before.
        frames: How many to read at most.

    Raises:
        SoundError: It is damaged here, ends here though it announced more, or holds what is not a number.
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
    """The error of a file that cannot be used: ``what`` says why."""
    return SoundError(
        f"The sound file {what}.",
        got=file,
        valid=f"a whole file with sound in it ({', '.join(ENDINGS)})",
        next_step="record or copy it again, or leave it out",
    )


def too_short(source: str, length_s: float, window_s: float) -> SoundError:
    """The error of a recording under `MIN_CLIP_S`."""
    return SoundError(
        "The recording is too short.",
        got=f"{source}: {length_s:.2f} s",
        valid=f"{MIN_CLIP_S:g} s or longer; {window_s:g} s fill a window",
        next_step="record longer, or leave this file out",
    )


def read_windows(file: Path, samples: int, channel: Channel = 1) -> FloatArray:
    """The windows of one clip, as the device cuts them when its hop is as long as its window.

    A clip that is shorter is repeated. A longer one gives a window after the other, and what is left a window that
    ends where the clip ends, if it is `MIN_TAIL_S` or more.

    Args:
        file: The sound file, at any rate.
        samples: Length of a window at 16 kHz.
        channel: Which one to take.

    Returns:
        ``(windows, samples)`` in [-1, 1] at 16 kHz; at least one.

    Raises:
        SoundError: The file cannot be read, is damaged or too short, or has no such channel.
    """
    with open_sound(file) as opened:
        rate_hz, frames = opened.samplerate, opened.frames
        blocks: list[FloatArray] = []
        done = 0
        while done < frames:
            blocks.append(read_block(opened, file, done, frames - done))
            done += len(blocks[-1])
    heard = np.ascontiguousarray(select_channel(np.concatenate(blocks), channel, str(file)))
    if rate_hz != SAMPLE_RATE_HZ:
        import soxr

        resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        heard = resampler.resample_chunk(heard, last=True)
    if len(heard) < MIN_CLIP_S * SAMPLE_RATE_HZ:
        raise too_short(str(file), len(heard) / SAMPLE_RATE_HZ, samples / SAMPLE_RATE_HZ)
    if len(heard) < samples:
        return np.resize(heard, (1, samples))
    return np.stack([heard[start : start + samples] for start in window_starts(len(heard), samples)])


def window_starts(length: int, samples: int) -> list[int]:
    """Where the windows of a clip begin, in samples.

    Args:
        length: Of the clip; a clip shorter than the window gives one, which repeats it.
        samples: Length of a window.
    """
    starts = list(range(0, max(length - samples, 0) + 1, samples))
    if length - (starts[-1] + samples) >= MIN_TAIL_S * SAMPLE_RATE_HZ:
        starts.append(length - samples)
    return starts
