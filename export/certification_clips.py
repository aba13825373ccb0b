"""Windows of sound to calibrate and to certify an exported model with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.audio.generated import GENERATED, generated_windows
from asd_edge.calibration.audio.sound_file import ENDINGS
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted

MOST_RECORDED = 32
"""The number of windows that are taken from a folder; of more files, some are passed over evenly."""
LEAST_RECORDED = 8
"""The smallest number of windows, half of which are for the check."""


@dataclass(frozen=True)
class Clips:
    """Two sets of windows, ``(windows, samples)`` float32 in [-1, 1], that have nothing in common."""

    calibration: NDArray[np.float32]
    """the windows to choose numbers by"""
    check: NDArray[np.float32]
    """the windows to measure the result with"""
    described: str
    """the windows of the check in words"""


def generated_clips(samples: int) -> Clips:
    """Make windows of generated sound, see `asd_edge.calibration.audio.generated`.

    Args:
        samples: The length of a window in samples.
    """
    return Clips(generated_windows(samples, 1), generated_windows(samples, 0), f"{GENERATED} generated clips")


def recorded_clips(folder: Path, samples: int) -> Clips:
    """Read windows of the sound files in a folder and its subfolders; every other one is for the check.

    Args:
        folder: The folder with recordings of the machines that the model is for.
        samples: The length of a window in samples.

    Raises:
        InputError: There is no such folder, too little sound in it, or a file cannot be read.
    """
    files = (
        sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.name[0] != ".")
        if folder.is_dir()
        else []
    )
    chosen = [files[index] for index in _evenly(len(files))]
    windows = (
        np.concatenate([read_windows(file, samples) for file in chosen])
        if chosen
        else np.empty((0, samples), np.float32)
    )
    if len(windows) < LEAST_RECORDED:
        raise InputError(
            "The folder holds too little sound to calibrate with.",
            got=f"{folder}: {counted(len(windows), 'window')} in {counted(len(files), 'file')}",
            valid=f"{LEAST_RECORDED} windows or more, in files of {', '.join(ENDINGS)}",
            next_step="check the path, add recordings, or leave --calibration away to use generated sound",
        )
    windows = windows[_evenly(len(windows))]
    return Clips(windows[::2], windows[1::2], f"{len(windows[1::2])} windows of {folder.name}")


def _evenly(count: int) -> NDArray[np.int64]:
    """Choose at most `MOST_RECORDED` places, spread evenly over `count` of them."""
    return np.arange(min(count, MOST_RECORDED)) * count // max(1, min(count, MOST_RECORDED))
