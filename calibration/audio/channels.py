"""The channel of a sound that the model hears. This module imports nothing heavy, since command lines read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from asd_edge.calibration.errors import SoundError

if TYPE_CHECKING:
    from asd_edge.calibration.contract.model_output import FloatArray

Channel = int | Literal["mix"]
"""A channel of the source, counted from 1, or the mean of all channels."""

MAX_CHANNELS = 1024
"""The most channels that libsndfile reads of a file; no microphone has more."""


def parse_channel(text: str) -> Channel:
    """Read the text of ``--channel``.

    Raises:
        SoundError: The text is neither a number from 1 nor ``mix``.
    """
    if text == "mix":
        return "mix"
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_CHANNELS)) and 1 <= int(text) <= MAX_CHANNELS:
        return int(text)
    raise SoundError(
        "There is no such channel.", got=text, valid=f"1 to {MAX_CHANNELS}, or mix", next_step="try --channel 1"
    )


def select_channel(samples: FloatArray, channel: Channel, source: str) -> FloatArray:
    """Take one channel of a sound, or the mean of all.

    Args:
        samples: The sound, (frames, channels) float32 in [-1, 1].
        channel: The channel to take.
        source: The path or device that the sound comes from, for the message of an error.

    Returns:
        (frames,) float32.

    Raises:
        SoundError: The source has fewer channels.
    """
    import numpy as np

    require_channel(channel, samples.shape[1], source)
    if channel == "mix":
        return np.asarray(samples.mean(axis=1, dtype=np.float32))
    return samples[:, channel - 1]


def require_channel(channel: Channel, channels: int, source: str) -> None:
    """Refuse a channel that a source does not have.

    Args:
        channel: The channel to take.
        channels: How many the source has.
        source: The path or device that the sound comes from, for the message.

    Raises:
        SoundError: The source has fewer channels.
    """
    if channel != "mix" and channel > channels:
        raise SoundError(
            "The source has no such channel.",
            got=f"channel {channel} of {source}",
            valid=f"1 to {channels}, or mix",
            next_step="try --channel 1",
        )
