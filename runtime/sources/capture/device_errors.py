"""Why nothing can be recorded, and what a user can do about it."""

from __future__ import annotations

import json

from asd_edge.calibration.errors import DeviceError, WrongDeviceError
from asd_edge.runtime.sources.capture.alsa_status import held_microphones
from asd_edge.runtime.sources.capture.input_devices import InputDevice

START_TIMEOUT_S = 10.0
"""Opening takes about a second; a sound server that has not answered by then is stuck."""


def not_started(error: OSError) -> DeviceError:
    """The error of a recording process that could not be started."""
    return DeviceError(
        "The process that records cannot be started.",
        got=error.strerror or str(error),
        valid="room for one more process, and for the files that it opens",
        next_step="close other programs, or raise the limit (ulimit -n and -u show them)",
    )


def stuck() -> DeviceError:
    """The error of a sound system in which every call hangs."""
    return DeviceError(
        "The sound system does not answer.",
        got=f"nothing for {START_TIMEOUT_S:g} s",
        valid="a sound server and drivers that respond",
        next_step="restart the sound server or plug the microphone in again, then try `asd-edge devices`",
    )


def device_error(wanted: str, payload: bytes) -> DeviceError:
    """The error that a recording process tells, as one that says what a user can do about it.

    Args:
        wanted: The device that was wanted; empty where all were.
        payload: What the process said.
    """
    error = json.loads(payload)
    devices = [InputDevice(**device) for device in error["devices"]]
    names = "; ".join(f"{device.index}: {device.name}" for device in devices)
    if error["kind"] == "portaudio":
        return WrongDeviceError(
            "PortAudio, the library that records, is not installed.",
            got=error["message"],
            valid="libportaudio 2",
            next_step="sudo apt install libportaudio2 (on Debian, Ubuntu and JetPack)",
        )
    if error["kind"] == "full":
        return DeviceError(
            "PulseAudio has no connection left.",
            got=f"{wanted}: {error['message']}" if wanted else error["message"],
            valid="up to 64 at once: one for each open microphone and for each program that plays or controls",
            next_step="close some (pactl list short clients shows them), or take microphones by their hardware names",
        )
    holder = next((held.holder for held in held_microphones() if wanted.lower() in held.name.lower()), "")
    if error["kind"] == "busy" or (error["kind"] == "missing" and holder):
        return DeviceError(
            "The microphone is in use by another program.",
            got=f"{wanted}: held by {holder}" if holder else f"{wanted}: {error['message']}",
            valid="a microphone that no other program has opened" + (f"; free: {names}" if names else ""),
            next_step="close the other program (fuser -v /dev/snd/* shows it)",
        )
    if error["kind"] == "missing":
        return DeviceError(
            "There is no such microphone." if devices else "There is no microphone.",
            got=wanted,
            valid=names or "none is connected, or this user may not see it",
            next_step="connect it, then look with `asd-edge devices`",
        )
    if error["kind"] == "ambiguous":
        return WrongDeviceError(
            "Several microphones match.",
            got=wanted,
            valid=names,
            next_step="use a longer part of the name, or an index",
        )
    return DeviceError(
        "The microphone cannot be opened.",
        got=f"{wanted}: {error['message']}" if wanted else error["message"],
        valid="a device from `asd-edge devices`",
        next_step="run `asd-edge doctor`",
    )
