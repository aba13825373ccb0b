"""Short synthetic clips in the layout of DCASE Task 2, and clips that are told of but not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from asd_edge.calibration.dcase.data_set import Clip, Domain

RATE_HZ = 16_000


def write_machine(
    folder: Path, machine: str, hz: float, clips: int = 4, attributes: Sequence[str] = (), seconds: float = 1.0
) -> None:
    """Hums of a machine in noise, all but the last two of the source domain; attributes take turns."""
    train = folder / machine / "train"
    train.mkdir(parents=True)
    rng = np.random.default_rng(round(hz))
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    for index in range(clips):
        domain = "source" if index < clips - 2 else "target"
        told = attributes[index % len(attributes)] if attributes else "noAttribute"
        sound = 0.1 * np.sin(2.0 * np.pi * hz * (1.0 + 0.1 * (index % 2)) * t) + 0.02 * rng.standard_normal(len(t))
        soundfile.write(train / f"section_00_{domain}_train_normal_{index:04d}_{told}.wav", sound, RATE_HZ)


def told_clip(machine: str, index: int, *attributes: tuple[str, str], domain: Domain = "source") -> Clip:
    """What a data set tells of a training clip, without the sound."""
    path = Path("data", machine, "train", f"section_00_{domain}_train_normal_{index:04d}.wav")
    return Clip(path, machine, 0, domain, "train", "normal", index, attributes)


TOLD_CLIPS = [
    told_clip("fan", 0),
    told_clip("fan", 1),
    told_clip("pump", 0, ("speed", "1")),
    told_clip("pump", 1, ("speed", "2")),
    told_clip("valve", 0, ("load", "a"), ("pos", "x")),
    told_clip("valve", 1, ("load", "b"), ("pos", "y")),
    told_clip("valve", 2, ("load", "a"), ("pos", "z")),
]
"""Machines with no, one and two attributes."""
