"""What the program writes for programs, looked at as strictly as any reader may."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from asd_edge.runtime.json_objects import schema


def valid_objects(text: str) -> list[dict[str, Any]]:
    """The objects of lines of JSON, each of which must be strict JSON and fit the schema of the package."""
    validator = jsonschema.Draft202012Validator(schema())
    objects = [json.loads(line, parse_constant=_refused) for line in text.splitlines()]
    for values in objects:
        validator.validate(values)
    return objects


def without_time(values: dict[str, Any]) -> dict[str, Any]:
    """An object without the time that it was written at, to compare those of two runs."""
    return {name: value for name, value in values.items() if name != "time"}


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
