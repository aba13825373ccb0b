"""Which source the options of `enroll` and `listen` mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asd_edge.calibration.audio.sound_file import Channel
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.sources.files import FileSource
from asd_edge.runtime.sources.source import Source


def open_source(
    device: str | None,
    paths: Sequence[Path] | None,
    channel: Channel,
    remembered: str = "",
    realtime: bool = False,
) -> Source:
    """Open the microphone or the files that were asked for, or else the microphone that the bank remembers.

    Raises:
        InputError: Both or neither were given, or the source cannot be opened.
    """
    if device is not None and paths:
        raise InputError(
            "Both a microphone and files were given.",
            got=f"--device {device} and --input {paths[0]}",
            valid="one of them",
            next_step="leave one away",
        )
    if paths:
        return FileSource(paths, realtime)
    if not (device or remembered):
        raise InputError(
            "There is nothing to listen to.",
            got="neither --device nor --input",
            valid="--device NAME for a microphone, or --input PATH for a file or folder",
            next_step="see the microphones with `asd-edge devices`",
        )
    from asd_edge.runtime.sources.microphone import Microphone

    return Microphone(device, channel) if device else Microphone(remembered, channel, "same")
