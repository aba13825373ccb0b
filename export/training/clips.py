"""The clips that a system learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.dcase.data_set import Clip, read_data_set
from asd_edge.calibration.errors import InputError, SoundError


@dataclass(frozen=True)
class TrainingClip:
    """A clip of normal sound with the digest of its file."""

    clip: Clip
    """the clip in its data set"""
    sha256: str
    """the digest of its file"""


def read_training_clips(folder: Path, machines: Iterable[str] = ()) -> dict[str, tuple[TrainingClip, ...]]:
    """Find the training clips of a data set in the layout of DCASE Task 2, by machine.

    Args:
        folder: The folder that holds a folder for each machine.
        machines: The names of the machines that are wanted; all machines by default.

    Raises:
        InputError: The folder does not fit the layout (`read_data_set`), or there is no machine of that name.
        SoundError: A file cannot be read.
    """
    found = read_data_set(folder)
    wanted = tuple(machines) or tuple(found)
    unknown = [machine for machine in wanted if machine not in found]
    if unknown:
        raise InputError(
            "There is no machine of that name.", got=unknown[0], valid=", ".join(found), next_step="check --machine"
        )
    return {
        machine: tuple(TrainingClip(clip, _digest(clip.path)) for clip in found[machine] if clip.split == "train")
        for machine in wanted
    }


def data_digest(clips: Iterable[TrainingClip]) -> str:
    """The SHA-256 of all that is learned from: names, attributes and content of the clips, in any order."""
    lines = sorted(f"{each.clip.machine} {each.clip.path.name} {each.clip.attributes} {each.sha256}" for each in clips)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise SoundError(
            f"The sound file cannot be read: {error.strerror}.",
            got=path,
            valid="a file that may be read",
            next_step="check its permissions",
        ) from error
