"""How far the modalities of mm-discriminative come together when nothing else is learned.

The distance between modalities, the maximum mean discrepancy of pairs, is the one that training minimises beside the
classification. Here it is minimised alone, on the first windows of a few clips, to see that it can be.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.beats.fine_tuning import load_trainable
from asd_edge.export.layers.mmd import squared_mmd_of_pairs
from asd_edge.export.systems.mm_discriminative.model import MmDiscriminative
from asd_edge.export.training.clips import read_training_clips

_WINDOW_SAMPLES = 160_000
_LEARNING_RATE = 1e-3
_SHOWN = 6
"""The distance is shown at the start and so many times after it."""


@settings
class AlignmentSettings:
    """What is aligned, and for how long."""

    data: Annotated[Path, Setting("A folder in the layout of DCASE Task 2.")]
    checkpoint: Annotated[Path, Setting("The path of a BEATs checkpoint, as Microsoft publishes it.")]
    clips: Annotated[int, Setting("How many clips to align.", at_least=2, at_most=10000)] = 16
    steps: Annotated[int, Setting("How many steps to take.", at_least=1, at_most=1000000)] = 300
    seed: Annotated[int, Setting("The seed of the first weights.", at_least=0, at_most=2**32 - 1)] = 0


def alignment(wanted: AlignmentSettings) -> None:
    """How far the modalities of mm-discriminative come together when nothing else is learned."""
    torch.manual_seed(wanted.seed)
    clips = [each.clip.path for found in read_training_clips(wanted.data).values() for each in found]
    chosen = clips[:: max(1, len(clips) // wanted.clips)][: wanted.clips]
    windows = torch.from_numpy(np.stack([read_windows(path, _WINDOW_SAMPLES)[0] for path in chosen]))
    model = MmDiscriminative(load_trainable(wanted.checkpoint, "last4", _WINDOW_SAMPLES)).train()
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learned, _LEARNING_RATE)

    def rows() -> "list[tuple[str, ...]]":
        found: list[tuple[str, ...]] = []
        for step in range(wanted.steps + 1):
            apart = distance(model, windows)
            if step % max(1, wanted.steps // _SHOWN) == 0:
                found.append((f"{step}", f"{apart.item():.3f}"))
            optimiser.zero_grad()
            apart.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return found

    print_table((f"steps on {len(chosen)} clips", "squared MMD"), rows())


def distance(model: MmDiscriminative, windows: Tensor) -> Tensor:
    """Measure how far BEATs and Tgram are from the spectrogram, by the mean squared MMD that training minimises.

    Args:
        model: The system whose modalities are compared.
        windows: The sound, ``(windows, samples)``.
    """
    beats, tgram, spectrogram = model.modalities(windows).mean(dim=3).unbind(dim=1)
    return (squared_mmd_of_pairs(beats, spectrogram) + squared_mmd_of_pairs(tgram, spectrogram)) / 2.0
