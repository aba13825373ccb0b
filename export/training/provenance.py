"""Where trained weights come from: what their file says about their training."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from asd_edge.calibration.errors import ModelError

_Origin = TypeVar("_Origin")


def parse_origin(origin: type[_Origin], stored: object, path: Path, next_step: str) -> _Origin:
    """Read what a file of weights says about their training.

    Args:
        origin: The dataclass to read it into. It raises TypeError where a field has a value that cannot be.
        stored: The entry of the file: the fields of the dataclass by their names.
        path: The path of the file, for the message.
        next_step: The next step for the user where the entry is something else.

    Raises:
        ModelError: The entry is missing, or has other fields.
    """
    try:
        return origin(**cast(dict[str, Any], stored))
    except TypeError as error:
        *names, last = [field.name for field in fields(origin)]  # type: ignore[arg-type]  # a dataclass, as said above
        raise ModelError(
            f"{path.name} does not say where its weights come from.",
            got=str(stored)[:200],
            valid=f"{', '.join(names)} and {last}",
            next_step=next_step,
        ) from error
