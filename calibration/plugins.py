"""Parts that are found by name: each is one file and one line, an entry point of this package or of another.

The groups are ``asd_edge.commands``, ``asd_edge.scorers``, ``asd_edge.sources``, ``asd_edge.sinks``,
``asd_edge.systems`` and ``asd_edge.studies``. A part is listed without being imported, and imported when it is used.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from asd_edge.calibration.errors import InputError


def names(group: str) -> list[str]:
    """The names of the parts of a group: those of this package by name, then those of others.

    Args:
        group: What kind of part: ``scorers``, ``sources``, ``sinks``, ``systems``, ``studies`` or ``commands``.
    """
    return list(entry_points(group))


def entry_points(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points of a group by name; where two packages give the same name, that of this package holds."""
    found = importlib.metadata.entry_points(group=f"asd_edge.{group}")
    points: dict[str, importlib.metadata.EntryPoint] = {}
    for point in sorted(found, key=lambda point: (not point.value.startswith("asd_edge."), point.name)):
        points.setdefault(point.name, point)
    return points


def load(group: str, name: str, option: str) -> Any:
    """Import one part.

    Args:
        group: What kind of part, as in `names`.
        name: Its name.
        option: The option that named it, for the message: ``--scorer``.

    Raises:
        InputError: There is none of that name.
        ModuleNotFoundError: It needs a package that is not installed.
    """
    points = entry_points(group)
    if name not in points:
        raise InputError(
            f"There is no {group.removesuffix('s')} of that name.",
            got=name,
            valid=", ".join(points),
            next_step=f"choose one of these with {option}, or install the package that brings it",
        )
    return points[name].load()
