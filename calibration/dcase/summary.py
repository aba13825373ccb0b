"""A summary of what was found in a data set, for people to compare with what they expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from asd_edge.calibration.audio.sound_file import SoundFile
from asd_edge.calibration.dcase.data_set import SPLITS, Clip
from asd_edge.calibration.wording import counted, visible

_MOST_VALUES = 6
"""An attribute's values are listed up to this number; of more, only their number is told."""


def describe_data_set(data_set: Mapping[str, Sequence[Clip]]) -> str:
    """Describe each machine in two lines: clips by split, domain and label, durations, channels, rates and attributes.

    Args:
        data_set: What `read_data_set` gave, or a part of it.

    Raises:
        SoundError: A file cannot be opened.
    """
    return "\n".join(line for machine, clips in data_set.items() for line in _machine(machine, clips))


def _machine(machine: str, clips: Sequence[Clip]) -> list[str]:
    durations_s: list[float] = []
    rates, channels = set(), set()
    for clip in clips:
        with SoundFile(clip.path) as opened:
            durations_s.append(opened.frames / opened.rate_hz)
            rates.add(opened.rate_hz)
            channels.add(opened.channels)
    counts = [
        f"{len(found)} {split} ({_counted(found)})"
        for split in SPLITS
        if (found := [clip for clip in clips if clip.split == split])
    ]
    long = _range(durations_s)
    return [
        f"{visible(machine)}: {visible(', '.join(counts))}",
        f"  {long} s, {_listed(channels)} channel{'' if channels == {1} else 's'}, {_listed(rates)} Hz; "
        f"attributes: {visible(_attributes(clips))}",
    ]


def _counted(clips: Sequence[Clip]) -> str:
    """Count clips by domain and label, as in ``24 source normal, 24 target anomaly``."""
    counts = Counter((clip.domain, clip.label or "without a label") for clip in clips)
    return ", ".join(" ".join(filter(None, (str(count), *kind))) for kind, count in sorted(counts.items()))


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low} to {high}"


def _listed(values: set[int]) -> str:
    return " or ".join(map(str, sorted(values)))


def _attributes(clips: Sequence[Clip]) -> str:
    values: dict[str, set[str]] = {}
    for clip in clips:
        for parameter, value in clip.attributes:
            values.setdefault(parameter, set()).add(value)
    told = [
        f"{name} ({', '.join(sorted(found)) if len(found) <= _MOST_VALUES else f'{len(found)} values'})"
        for name, found in values.items()
    ]
    without = sum(not clip.attributes for clip in clips)
    if told and without:
        told.append(f"none for {counted(without, 'clip')}")
    return ", ".join(told) or "none"
