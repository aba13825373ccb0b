"""Windows of clips to train on, for systems that learn from the waveform itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import SoundError
from asd_edge.export.training.clips import TrainingClip


def count_windows(
    clips: Iterable[TrainingClip], samples: int, channel: Channel, damaged: DamagedClips
) -> list[tuple[TrainingClip, int]]:
    """Find the clips that can be read, each with the number of its windows.

    All of every clip is read, so that a damaged one is known before hours of work.

    Args:
        clips: The training clips.
        samples: The length of a window in samples at 16 kHz; a shorter clip is repeated.
        channel: The channel of the sound files.
        damaged: The count of the clips that cannot be read; it may refuse the first.

    Raises:
        SoundError: A clip is damaged, and damaged clips are not skipped.
    """
    found = []
    for each in clips:
        try:
            found.append((each, len(read_windows(each.clip.path, samples, channel))))
        except SoundError as error:
            damaged.add(error)
    return found


class WindowData:
    """Windows of clips with the labels of the clips: sound is read when it is asked for, and takes no memory before.

    Args:
        clips: The clips, each with the number of its windows, as `count_windows` gives them.
        labels: The class of each clip in each task, ``(clips, tasks)``.
        samples: The length of a window in samples at 16 kHz.
        channel: The channel of the sound files.
    """

    def __init__(
        self, clips: Sequence[tuple[TrainingClip, int]], labels: NDArray[np.int64], samples: int, channel: Channel
    ) -> None:
        self._windows: list[tuple[Path, int, int]] = [
            (each.clip.path, window, clip) for clip, (each, windows) in enumerate(clips) for window in range(windows)
        ]
        self._labels = labels
        self._samples = samples
        self._channel: Channel = channel

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Give the waveforms ``(rows, samples)`` in [-1, 1] and the labels ``(rows, tasks)``."""
        chosen = [self._windows[row] for row in rows]
        heard = [read_windows(path, self._samples, self._channel)[window] for path, window, _ in chosen]
        return torch.from_numpy(np.stack(heard)), torch.from_numpy(self._labels[[clip for _, _, clip in chosen]])
