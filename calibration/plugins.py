"""Parts that are found by name: each is one file and one line, an entry point of this package or of another.

The groups are ``asd_edge.commands``, ``asd_edge.scorers``, ``asd_edge.sources``, ``asd_edge.sinks``,
``asd_edge.systems`` and ``asd_edge.studies``. A part is listed without being imported, and imported when it is used.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

from asd_edge.calibration.errors import InputError


def names(group: str) -> list[str]:
    """The names of the parts of a group: those of this package by name, then those of others.

    Args:
        group: The group of parts: ``scorers``, ``sources``, ``sinks``, ``systems``, ``studies`` or ``commands``.
    """
    return list(entry_points(group))


def entry_points(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points of a group by name; where two packages give the same name, that of this package holds."""
    found = _installed(f"asd_edge.{group}", tuple(sys.path))
    points: dict[str, importlib.metadata.EntryPoint] = {}
    for point in sorted(found, key=lambda point: (not point.value.startswith("asd_edge."), point.name)):
        points.setdefault(point.name, point)
    return points


@functools.cache
def _installed(group: str, search_path: tuple[str, ...]) -> importlib.metadata.EntryPoints:  # noqa: ARG001
    """The entry points of the packages on a search path. To look takes 5 ms, so it is done once for a group."""
    return importlib.metadata.entry_points(group=group)


def load(group: str, name: str, option: str) -> Any:
    """Import one part.

    Args:
        group: The group of parts, as in `names`.
        name: The name of the part.
        option: The option that named it, for the message: ``--scorer``.

    Raises:
        InputError: There is no part of that name.
        ModuleNotFoundError: The part needs a package that is not installed.
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


def summary(point: importlib.metadata.EntryPoint) -> str:
    """The first paragraph of a part's docstring, read from its file, so that nothing of what it needs is imported.

    Args:
        point: The entry point of a function, or of a group of commands whose callback has the docstring or which is
            made with a help.
    """
    try:
        spec = importlib.util.find_spec(point.module)
    except ModuleNotFoundError as error:
        return f"Not available: {error.name} is not installed."
    if spec is None or spec.origin is None:
        return f"Not available: {point.module} is not installed."
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if text := _documentation(node, point.attr):
            return text.partition("\n\n")[0]
    return ""


def _documentation(node: ast.stmt, name: str) -> str | None:
    """What a statement says about a command: it defines it, or the callback of its group, or the group with a help."""
    if isinstance(node, ast.FunctionDef):
        calls = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
        if node.name == name or f"{name}.callback" in map(ast.unparse, calls):
            return ast.get_docstring(node)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.targets[0]) == name:
        helps = [word.value for word in node.value.keywords if word.arg == "help"]
        return next((str(each.value) for each in helps if isinstance(each, ast.Constant)), None)
    return None
