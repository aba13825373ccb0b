"""Every number that a command takes has bounds, so that no wish takes a computer for minutes or all of its memory."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import asd_edge.benchmarks
import asd_edge.calibration
import asd_edge.export
import asd_edge.runtime
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, fields_of, option_name

ROOMS = (asd_edge.runtime, asd_edge.calibration, asd_edge.export, asd_edge.benchmarks)


def modules_of_settings() -> Iterator[str]:
    for room in ROOMS:
        folder = Path(str(room.__file__)).parent
        for path in folder.rglob("*.py"):
            if re.search(r"^@settings", path.read_text(encoding="utf-8"), re.MULTILINE):
                yield ".".join([room.__name__, *path.relative_to(folder).with_suffix("").parts])


def numbers() -> Iterator[tuple[type, str, Setting]]:
    """The fields of all settings that are numbers and that no function of their own reads."""
    for module in modules_of_settings():
        loaded = importlib.import_module(module.removesuffix(".__init__"))
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            if not dataclasses.is_dataclass(kind) or kind.__module__ != loaded.__name__:
                continue
            for field, setting in fields_of(kind):
                if setting and setting.parse is None and re.search(r"\b(int|float)\b", str(field.type)):
                    yield kind, field.name, setting


def test_every_number_has_bounds() -> None:
    found = list(numbers())
    assert len(found) > 100
    open_ones = [
        f"{kind.__name__}.{name}"
        for kind, name, setting in found
        if setting.at_most is None or (setting.at_least is None and setting.above is None)
    ]
    assert open_ones == []


def test_the_bounds_hold_for_what_is_infinite_huge_or_no_number() -> None:
    for kind, name, setting in numbers():
        field = next(field for field in dataclasses.fields(kind) if field.name == name)
        is_float = "float" in str(field.type)
        for value in (float("inf"), float("-inf"), float("nan"), 1e300) if is_float else (10**18, -(10**18)):
            given = (value,) if "tuple" in str(field.type) else value
            others = {
                each.name: Path("x")
                for each in dataclasses.fields(kind)
                if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
            }
            with pytest.raises(InputError) as told:
                kind(**{**others, name: given})
            if others.keys() <= {name}:
                assert option_name(name, setting).partition("/")[0] in told.value.what
