"""A trained separator: its file, and taking clips of any length apart with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.separation.tf_locoformer import LocoformerSettings, TfLocoformer
from asd_edge.export.weights_file import check_weights, read_weights, write_weights

NAME = "separator"
SIZES = {
    "small": LocoformerSettings(),
    "paper": LocoformerSettings(hop=128, bins=1, blocks=4, width=96, hidden=128, kernel=8),
}
"""The small separator trains on a CPU. The other one is the smallest of the paper, for a GPU; its frames are as long in
time as the paper's, which are at 8 kHz."""
_TRAIN_ONE = "train one with `asd-edge train separator`"
_PIECES = 8
"""The number of pieces that go through the network together, so that memory does not grow with the clip."""
_PARTS = 2
"""The parts are the foreground and the background."""


@dataclass(frozen=True)
class SeparatorOrigin:
    """What the file of a separator says about its training."""

    system: str
    """the name of the system, which is `NAME`"""
    size: dict[str, int]
    """the fields of its `LocoformerSettings`"""
    samples: int
    """the length of the mixtures that it was trained on, in samples at 16 kHz"""


class Separator:
    """Takes clips apart into foreground and background.

    A clip is cut into pieces as long as the mixtures in training, each of which begins in the middle of the one before.
    Where they overlap they are faded into each other.

    Args:
        network: The trained network, which gives the foreground before the background, on the device where it is.
        samples: The length of a piece in samples.
    """

    def __init__(self, network: TfLocoformer, samples: int) -> None:
        self.network = network.eval()
        self.samples = samples
        self._fade = np.sin(np.pi * (np.arange(samples) + 0.5) / samples).astype(np.float32) ** 2

    def separate(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a clip apart.

        Args:
            sound: ``(samples,)`` at 16 kHz; one shorter than a piece is repeated to fill it.

        Returns:
            Foreground and background, ``(2, samples)``, which add up to the sound.
        """
        length = len(sound)
        filled = np.resize(sound, max(length, self.samples))
        starts = [*range(0, len(filled) - self.samples, self.samples // 2), len(filled) - self.samples]
        parts = np.zeros((_PARTS, len(filled)), np.float32)
        weights = np.zeros(len(filled), np.float32)
        device = next(self.network.parameters()).device
        for some in (starts[first : first + _PIECES] for first in range(0, len(starts), _PIECES)):
            pieces = np.stack([filled[start : start + self.samples] for start in some])
            with torch.no_grad():
                found = self.network(torch.from_numpy(pieces).to(device)).cpu().numpy()
            for start, piece in zip(some, found, strict=True):
                parts[:, start : start + self.samples] += self._fade * piece
                weights[start : start + self.samples] += self._fade
        return np.asarray((parts / weights)[:, :length])


def save_separator(path: Path, network: nn.Module, size: LocoformerSettings, samples: int) -> None:
    """Write what `load_separator` reads, whole or not at all.

    Raises:
        InputError: The folder is missing or read-only, or the disk is full.
    """
    origin = SeparatorOrigin(NAME, asdict(size), samples)
    write_weights(path, {**network.state_dict(), "origin": asdict(origin)})


def load_separator(path: Path) -> Separator:
    """Read a trained separator.

    Args:
        path: The file that `asd-edge train separator` wrote. Nothing in it is executed.

    Raises:
        ModelError: The file cannot be read or is not a trained separator.
    """
    weights = dict(read_weights(path, "a trained separator", _TRAIN_ONE))
    stored = weights.pop("origin", None)
    try:
        origin = SeparatorOrigin(**cast(dict[str, Any], stored))
        size = LocoformerSettings(**origin.size)
        if origin.system != NAME or type(origin.samples) is not int or origin.samples < size.frame:
            raise TypeError
    except (TypeError, InputError) as error:
        raise ModelError(
            f"{path.name} is not a trained separator.",
            got=f"a file with {', '.join(sorted(map(str, weights))[:3]) or 'nothing'}; origin {str(stored)[:200]}",
            valid=f"weights with an origin of the system {NAME}, its size and its samples",
            next_step=_TRAIN_ONE,
        ) from error
    network = TfLocoformer(size, _PARTS)
    shapes = ((name, tuple(weight.shape)) for name, weight in network.state_dict().items())
    network.load_state_dict(check_weights(weights, shapes, path, _TRAIN_ONE))
    return Separator(network, origin.samples)
