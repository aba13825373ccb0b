"""New training clips from the parts of others: foregrounds of one, backgrounds of another ([MM], section 2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asd_edge.calibration.errors import InputError
from asd_edge.export.separation.mixtures import Sound, at_snr, energy
from asd_edge.export.separation.settings import RecipeSettings
from asd_edge.export.training.clips import TrainingClip

_NAME = re.compile(r"(section_\d{2}_(?:source|target)_train_normal_|normal_id_\d{2}_)(\d+)(.*\.wav)")
"""The names of training clips since 2021 and of 2020: what stands before the index, the index, and what follows."""


@dataclass(frozen=True)
class Recipe:
    """The recipe of one new clip."""

    name: str
    """the name of the file: the name of the foreground's file with an index of its own, so that section, domain and
    attributes stay"""
    foreground: TrainingClip
    """the clip whose foreground is taken"""
    background: TrainingClip
    """the clip whose background is taken"""
    snr_db: float
    """the ratio of their energies in decibels"""
    mixed_in: TrainingClip | None
    """the clip of the same machine and the other domain that is mixed into the foreground, if there is one"""
    share: float
    """the share of the first foreground, from a half to one: the domain in the name is that of the larger share"""


def plan(clips: Mapping[str, Sequence[TrainingClip]], settings: RecipeSettings) -> list[Recipe]:
    """Choose what is combined with what.

    Every new clip is drawn from the seed, the place of its original and the number of the copy alone.

    Args:
        clips: The training clips by machine.
        settings: The settings of the new clips.

    Raises:
        InputError: A clip has no other whose background it could get.
    """
    everything = [each for found in clips.values() for each in found]
    recipes = []
    place = 0
    for machine, found in clips.items():
        free = 1 + max((each.clip.index for each in found), default=0)
        others = everything if settings.backgrounds == "any" else found
        for each in found:
            backgrounds = [other for other in others if other.sha256 != each.sha256]
            if not backgrounds:
                raise InputError(
                    "There is no other clip to take a background from.",
                    got=f"{machine}: {each.clip.path.name}",
                    valid="two training clips or more that are not the same",
                    next_step="add clips, or let backgrounds come from all machines with --backgrounds any",
                )
            partners = [other for other in found if {each.clip.domain, other.clip.domain} == {"source", "target"}]
            for copy in range(settings.copies):
                rng = np.random.default_rng([settings.seed, place, copy])
                background = backgrounds[rng.integers(len(backgrounds))]
                snr_db, share, partner = settings.draw_snr_db(rng), rng.uniform(0.5, 1.0), rng.integers(1 << 32)
                mixed = bool(partners) and rng.random() < settings.mixup
                name = _renumbered(each.clip.path.name, free + copy)
                mixed_in = partners[partner % len(partners)] if mixed else None
                recipes.append(Recipe(name, each, background, snr_db, mixed_in, share if mixed else 1.0))
            free += settings.copies
            place += 1
    return recipes


def _renumbered(name: str, index: int) -> str:
    match = _NAME.fullmatch(name)
    if match is None:  # the reader lets no other name into `train`
        raise ValueError(f"not the name of a training clip: {name}")
    before, digits, behind = match.groups()
    return f"{before}{index:0{len(digits)}d}{behind}"


def recombine(foreground: Sound, background: Sound, snr_db: float, loudness: float) -> Sound:
    """Lay the foreground over the background; the new clip is as loud as the one that the foreground is from.

    The two parts get the ratio, and their sum the level of a real clip: a faint machine does not make faint clips.

    Args:
        foreground: The foreground, ``(samples,)``.
        background: The background of any length, which is cut off or repeated.
        snr_db: The ratio of their energies in decibels.
        loudness: The energy that the clip shall have.

    Returns:
        The new clip, ``(samples,)`` in [-1, 1]; where a peak would go beyond, all of it is made fainter by as much.
    """
    mixture = foreground + at_snr(foreground, np.resize(background, len(foreground)), snr_db)
    there = energy(mixture)
    if there > 0.0:
        mixture = mixture * np.float32(np.sqrt(loudness / there))
    return np.asarray(mixture / max(1.0, float(np.abs(mixture).max())))


def mixed(one: Sound, other: Sound, share: float) -> Sound:
    """Interpolate two foregrounds as mixup does (Zhang et al., 2018), the second as loud as the first.

    Args:
        one: The first foreground, ``(samples,)``.
        other: The second foreground of any length, which is cut off or repeated.
        share: The share of the first foreground.
    """
    as_loud = at_snr(one, np.resize(other, len(one)), 0.0)
    return np.asarray(share * one + (1.0 - share) * as_loud, np.float32)
