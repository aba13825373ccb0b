"""Opening a source by what a user writes: the path of a file or folder, ``SCHEME:ADDRESS``, or a microphone's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asd_edge.calibration import plugins
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.errors import DeviceError, InputError
from asd_edge.runtime.request import open_part, shown, split_scheme
from asd_edge.runtime.sources.files import FileSource
from asd_edge.runtime.sources.source import Source, SourceRequest

_MICROPHONE = "microphone"
_FILES = "files"


def open_source(
    device: str | None,
    inputs: Sequence[str],
    channel: Channel,
    remembered: str = "",
    realtime: bool = False,
) -> Source:
    """Open what was asked for, or else the live source that the bank remembers.

    Args:
        device: The name of a microphone, part of it, or its index; none where none was asked for.
        inputs: Paths of files and folders, which are heard one after the other; or one address, such as
            ``simulated:seed=3``, whose scheme is the name of an entry point of the group ``asd_edge.sources``.
        channel: The channel that will be used.
        remembered: The name of the live source that a bank was enrolled from; empty where there is none.
        realtime: Whether to give recorded sound at the pace it was recorded at.

    Raises:
        DeviceError: A live source is not there.
        InputError: Both a microphone and other inputs were given, or nothing; there is no such scheme; or the source
            cannot be opened whenever it is tried.
    """
    if device is not None and not device.strip():
        raise _nameless("--device")
    if device is not None and inputs:
        raise InputError(
            "Both a microphone and another input were given.",
            got=f"--device {device} and --input {shown(inputs[0])}",
            valid="one of them",
            next_step="leave one away",
        )
    if device is not None:
        return _open(SourceRequest(_MICROPHONE, device, channel, realtime))
    if inputs:
        return _open_inputs(inputs, channel, realtime)
    if not remembered:
        raise InputError(
            "There is nothing to listen to.",
            got="neither --device nor --input",
            valid="--device NAME for a microphone, or --input PATH for a file or folder",
            next_step="see the microphones with `asd-edge devices`",
        )
    scheme, address = split_scheme(remembered) or ("", "")
    if scheme not in plugins.names("sources"):
        scheme, address = _MICROPHONE, remembered
    return _open(SourceRequest(scheme, address, channel, realtime, remembered=True))


def _open_inputs(inputs: Sequence[str], channel: Channel, realtime: bool) -> Source:
    addresses = [each for each in inputs if split_scheme(each) is not None and not _is_there(each)]
    if not addresses:
        return FileSource(inputs, realtime, channel)
    if len(inputs) > 1:
        raise InputError(
            "An address cannot be heard together with other inputs.",
            got=" ".join(f"--input {shown(each)}" for each in inputs),
            valid="any number of files and folders, or one address",
            next_step="give one of them",
        )
    scheme, address = split_scheme(addresses[0]) or ("", "")
    schemes = plugins.names("sources")
    if scheme not in schemes:
        raise InputError(
            "There is neither a file of this name nor a source of this scheme.",
            got=shown(addresses[0]),
            valid="the path of a file or folder, or " + ", ".join(f"{each}:..." for each in schemes),
            next_step="check the path, or install the package that brings the source",
        )
    return _open(SourceRequest(scheme, address, channel, realtime))


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # such as a name that no file can have
        return False


def _open(request: SourceRequest) -> Source:
    if request.scheme == _MICROPHONE and not request.address.strip():
        raise _nameless(f"--input {_MICROPHONE}:")
    try:
        return open_part("sources", request, Source, "--input")  # type: ignore[type-abstract]
    except OSError as error:
        if request.scheme == _FILES:
            raise
        raise DeviceError(
            "The source cannot be opened.",
            # The text of the error may hold the address with its password; that of the system does not.
            got=f"{request.name}: {error.strerror or type(error).__name__}",
            valid="a source that can be reached",
            next_step="check the address and what is there",
        ) from error


def _nameless(option: str) -> InputError:
    return InputError(
        "The microphone has no name.",
        got=f"{option} without a name behind it",
        valid="the name of a microphone, a part of it, or its index",
        next_step="see the microphones with `asd-edge devices`",
    )
