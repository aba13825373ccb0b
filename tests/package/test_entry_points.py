"""The entry points of the installed package: what the program mounts and finds by name."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

import asd_edge

DISTRIBUTION = importlib.metadata.distribution("asd-edge")
MODULES = {"scikit-learn": "sklearn"}
"""Packages that are imported by another name than they are installed by."""


def modules_of_extras() -> set[str]:
    """What the extras install, as it is imported."""
    optional = [requirement for requirement in DISTRIBUTION.requires or () if "extra ==" in requirement]
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in optional}
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def test_the_version_is_the_packages_own() -> None:
    assert DISTRIBUTION.version == asd_edge.__version__


def test_every_kind_of_part_is_found_by_entry_points() -> None:
    kinds = ("commands", "scorers", "sinks", "sources", "studies", "systems")
    groups = {point.group for point in DISTRIBUTION.entry_points}
    assert groups == {"console_scripts", *(f"asd_edge.{kind}" for kind in kinds)}


@pytest.mark.parametrize("point", DISTRIBUTION.entry_points, ids=lambda point: f"{point.group} {point.name}")
def test_an_entry_point_loads_or_lacks_what_an_extra_installs(point: importlib.metadata.EntryPoint) -> None:
    try:
        part = point.load()
    except ModuleNotFoundError as error:
        assert (error.name or "").partition(".")[0] in modules_of_extras()  # noqa: PT017
    else:
        assert part is not None
