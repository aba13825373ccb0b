"""Whether a disk has room for what minutes or days of work will write to it."""

from __future__ import annotations

from pathlib import Path

from asd_edge.calibration.errors import InputError

OVERHEAD = 1.02
"""The disk space that is asked for, relative to the data alone: files have headers, and file systems round up."""


def require_room(folder: Path, free: int, needed: int, what: str, valid: str, next_step: str) -> None:
    """Refuse to begin work for whose files the disk has too little room.

    Args:
        folder: The folder that is written to, for the message.
        free: The room on its disk in bytes.
        needed: The room that is needed in bytes.
        what: The files that are written, for the message: "the features".
        valid: The room that is needed in words.
        next_step: The next step for the user.

    Raises:
        InputError: The disk has less room than is needed.
    """
    if needed > free:
        raise InputError(
            f"The disk has too little room for {what}.",
            got=f"{size_in_words(free)} at {folder}",
            valid=valid,
            next_step=next_step,
        )


def size_in_words(size_bytes: float) -> str:
    """Give a size in GB or MB, as people read it."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
