"""Mixtures of foregrounds and backgrounds to learn separation from."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.sound_file import SoundFile
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.dcase.data_set import Clip, read_data_set
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.calibration.wording import counted
from asd_edge.export.separation.settings import MixSettings
from asd_edge.export.separation.steady_part import split_by_steadiness

log = logging.getLogger(__name__)

Sound = NDArray[np.float32]
"""A sound, ``(samples,)`` at 16 kHz."""
Part = Literal["all", "steady", "rest"]
"""The part of a clip that is used: all of a recording of one thing alone; `split_by_steadiness` takes others apart."""

_PART_IN_WORDS: dict[Part, str] = {"steady": "what is steady", "rest": "what is not steady"}


@dataclass(frozen=True)
class Source:
    """A recording, or a part of one, that is mixed with others."""

    path: Path
    """the path of the recording"""
    sha256: str
    """the digest of the file"""
    part: Part = "all"
    """the part of the recording that is mixed"""

    def read(self, channel: Channel = 1) -> Sound:
        """Read the whole part.

        Raises:
            SoundError: The file cannot be read, is damaged, or is shorter than a second.
        """
        sound = read_sound(self.path, channel)
        if self.part == "all":
            return sound
        parts: list[Sound] = list(split_by_steadiness(sound))
        return parts[0 if self.part == "steady" else 1]


@dataclass(frozen=True)
class Sources:
    """The sounds that are mixed: any foreground with any background."""

    foregrounds: tuple[Source, ...]
    """the sounds of machines"""
    backgrounds: tuple[Source, ...]
    """the sounds of everything else"""

    def __post_init__(self) -> None:
        for name, sources in (("foreground", self.foregrounds), ("background", self.backgrounds)):
            if not sources:
                raise InputError(
                    f"There is no {name} to mix.",
                    got=f"{counted(len(self.foregrounds), 'foreground')}, "
                    f"{counted(len(self.backgrounds), 'background')}",
                    valid="one or more of each",
                    next_step="add clips to 'train' or 'supplemental', or record the damaged ones again",
                )

    def digest(self) -> str:
        """The SHA-256 of all sounds that are mixed."""
        lines = [
            f"{name} {source.part} {source.sha256}"
            for name, sources in (("foreground", self.foregrounds), ("background", self.backgrounds))
            for source in sources
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def find_sources(folder: Path, steady: str, channel: Channel, damaged: DamagedClips) -> Sources:
    """Find the sounds in a data set that separation can be learned from.

    The foregrounds of a machine are its supplemental recordings of the machine alone. Where it has none they are taken
    out of its training clips, by what is steady. Backgrounds are the supplemental recordings of noise, of all machines
    together; where no machine has any, they are taken out of the training clips as well.

    Args:
        folder: The folder of the data, in the layout of DCASE Task 2.
        steady: The part of a training clip that is steady: ``background`` or ``machine``.
        channel: The channel of the sound files.
        damaged: The count of the clips that cannot be read; it may refuse the first.

    Raises:
        InputError: The folder does not fit the layout, or holds nothing to mix.
        SoundError: A clip is damaged, and damaged clips are not skipped.
    """
    machine_part: Part = "steady" if steady == "machine" else "rest"
    other_part: Part = "rest" if steady == "machine" else "steady"
    trained, foregrounds, noises = [], [], []
    split = []
    for machine, clips in read_data_set(folder).items():
        normal = _readable([clip for clip in clips if clip.split == "train"], channel, damaged)
        alone = [clip for clip in clips if clip.split == "supplemental" and clip.label == "normal"]
        clean = _readable(alone, channel, damaged)
        noises += _readable([clip for clip in clips if clip.label == "noise"], channel, damaged)
        foregrounds += clean or [Source(each.path, each.sha256, machine_part) for each in normal]
        trained += normal
        split += [] if clean else [machine]
    backgrounds = noises or [Source(each.path, each.sha256, other_part) for each in trained]
    part = f"for {', '.join(split)} {_PART_IN_WORDS[machine_part]} in training clips" if split else "of machines alone"
    log.info("Foregrounds: %d clips, %s.", len(foregrounds), part)
    part = "of noise alone" if noises else f"{_PART_IN_WORDS[other_part]} in training clips"
    log.info("Backgrounds: %d clips, %s.", len(backgrounds), part)
    return Sources(tuple(foregrounds), tuple(backgrounds))


def _readable(clips: Iterable[Clip], channel: Channel, damaged: DamagedClips) -> list[Source]:
    found = []
    for clip in clips:
        try:
            read_sound(clip.path, channel)
        except SoundError as error:
            damaged.add(error)
            continue
        found.append(Source(clip.path, file_sha256(clip.path)))
    return found


class Mixtures:
    """A table of mixtures to train on. Each is made when it is asked for, and depends on its number and the seed alone.

    A mixture is therefore the same in every epoch, in a run that was stopped, and whichever process makes it. A long
    table takes no more memory than a short one.

    Args:
        sources: The sounds that are mixed.
        settings: The settings of the mixtures.
        channel: The channel of the sound files.
    """

    def __init__(self, sources: Sources, settings: MixSettings, channel: Channel = 1) -> None:
        self._sources = sources
        self._settings = settings
        self._channel = channel

    def __len__(self) -> int:
        return self._settings.mixtures

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Make mixtures ``(rows, samples)`` and the two parts of each, ``(rows, 2, samples)``: the foreground first."""
        parts = torch.from_numpy(np.stack([self._parts(int(row)) for row in rows]))
        return parts.sum(dim=1), parts

    def _parts(self, row: int) -> Sound:
        rng = np.random.default_rng([self._settings.seed, row])
        foreground, background = (
            self._segment(sources, rng) for sources in (self._sources.foregrounds, self._sources.backgrounds)
        )
        return np.stack([foreground, at_snr(foreground, background, self._settings.draw_snr_db(rng))])

    def _segment(self, sources: Sequence[Source], rng: np.random.Generator) -> Sound:
        """Take a piece from anywhere in any recording; a recording that is too short is repeated."""
        sound = sources[int(rng.integers(len(sources)))].read(self._channel)
        start = rng.integers(max(1, len(sound) - self._settings.samples + 1))
        return np.resize(sound[start:], self._settings.samples)


def at_snr(foreground: Sound, background: Sound, snr_db: float) -> Sound:
    """Make the background as loud as the ratio of foreground to background asks for.

    Where either is silent there is no ratio, and the background stays as it is.

    Args:
        foreground: The foreground, ``(samples,)``.
        background: The background, ``(samples,)``.
        snr_db: The ratio of their energies in decibels.
    """
    wanted, there = energy(foreground) * 10.0 ** (-snr_db / 10.0), energy(background)
    return background if wanted == 0.0 or there == 0.0 else background * np.float32(math.sqrt(wanted / there))


def energy(sound: Sound) -> float:
    """Sum the squares of the samples."""
    return float(np.square(sound, dtype=np.float64).sum())


def read_sound(path: Path, channel: Channel = 1) -> Sound:
    """Read all of a clip, at 16 kHz.

    Raises:
        SoundError: The file cannot be read, is damaged, shorter than a second, or has no such channel.
    """
    with SoundFile(path) as opened:
        samples = opened.frames * SAMPLE_RATE_HZ // opened.rate_hz
    sound: Sound = read_windows(path, samples, channel)[0]
    return sound
