"""The devices that can record, and which of them a text means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Match = Literal["part", "same", "exact"]


@dataclass(frozen=True)
class InputDevice:
    """A device that can record, as PortAudio lists it."""

    index: int
    name: str
    host: str
    """the sound system it belongs to, such as ALSA"""
    channels: int
    rate_hz: int
    default: bool


class CaptureError(Exception):
    """An error that makes recording impossible; its `kind` says why in one word."""

    def __init__(self, kind: str, message: str, devices: Sequence[InputDevice] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.devices = devices


def match_device(devices: Sequence[InputDevice], wanted: str, how: Match = "part") -> InputDevice:
    """Find the device that a text means.

    ALSA appends the position of a card to its name, ``(hw:1,0)``, which moves between boots: a name that is not found
    as it stands is tried again without it.

    Args:
        devices: The devices that there are.
        wanted: An index, or a part of a name without regard to case; a whole name wins.
        how: Whether a `part` of a name is enough, or it must be the `same` up to the position, or `exact`.

    Raises:
        CaptureError: No device matches, or several do.
    """
    if how == "part" and wanted.isascii() and wanted.isdigit():
        matches = [device for device in devices if device.index == int(wanted)]
    else:
        name, bare = wanted.lower(), without_position(wanted)
        matches = [device for device in devices if device.name.lower() == name]
        if not matches and how != "exact":
            matches = [device for device in devices if without_position(device.name) == bare]
        if not matches and how == "part":
            matches = [device for device in devices if name in device.name.lower()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CaptureError("ambiguous", f"{len(matches)} microphones match", matches)
    raise CaptureError("missing", "no microphone matches", devices)


def without_position(name: str) -> str:
    """The name of a device without its place, in small letters."""
    return re.sub(r"\s*\(hw:\d+,\d+\)$", "", name.lower())
