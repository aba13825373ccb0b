"""What an array of a bank has to be, so that a file that was made by hand or is damaged is refused where it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class ArrayKind:
    """The type, shape and values of an array.

    A name that ends in ``#`` stands for several arrays that are numbered from 0: ``centre_#`` for ``centre_0``,
    ``centre_1`` and so on. In their shapes a length that ends in ``#`` is each number's own.
    """

    dtype: DTypeLike
    """The type of its numbers."""
    shape: tuple[str | int, ...]
    """The lengths of its axes. Axes of the same name are equally long in all arrays of a bank."""
    least: float = -np.inf
    """The least value."""
    above: float = -np.inf
    """What every value is above."""
    most: float = np.inf
    """The largest value."""
    infinite: bool = False
    """Whether values may be infinite. None may be no number."""
    optional: bool = False
    """Whether it may be missing."""
    beside: str = ""
    """The name of another array that is there or missing together with it."""


def check_arrays(arrays: Mapping[str, NDArray[Any]], kinds: Mapping[str, ArrayKind], lengths: dict[str, int]) -> None:
    """See that arrays are what they should be, and fit together.

    Args:
        arrays: The arrays by name. Those that no kind is about are passed over.
        kinds: What each should be, by name; what comes first says how long the axes are.
        lengths: The lengths of axes that are known; those that are found are added.

    Raises:
        ValueError: One is missing, or is something else.
    """
    for pattern, kind in kinds.items():
        names = list(_names(pattern, arrays))
        if not names and not kind.optional:
            raise ValueError(f"its array '{pattern.replace('#', '0')}' is missing")
        for name in names:
            _check(name, arrays[name], kind, lengths, name.removeprefix(pattern[:-1]) if pattern[-1] == "#" else "#")
        if kind.beside and len(names) != len(list(_names(kind.beside, arrays))):
            raise ValueError(f"of its arrays '{pattern}' and '{kind.beside}' one is missing")


def _names(pattern: str, arrays: Mapping[str, object]) -> Iterable[str]:
    if not pattern.endswith("#"):
        return [pattern] if pattern in arrays else []
    stem = pattern[:-1]
    numbered = [f"{stem}{number}" for number in range(len(arrays))]
    return numbered[: next((number for number, name in enumerate(numbered) if name not in arrays), len(numbered))]


def _check(name: str, array: NDArray[Any], kind: ArrayKind, lengths: dict[str, int], number: str) -> None:
    dtype = np.dtype(kind.dtype)
    if array.dtype != dtype or array.ndim != len(kind.shape):
        words = ", ".join(map(str, kind.shape))
        raise ValueError(f"its array '{name}' is {array.dtype} of shape {array.shape} instead of {dtype} of ({words})")
    for axis, length in zip(kind.shape, array.shape, strict=True):
        wanted = axis if isinstance(axis, int) else lengths.setdefault(axis.replace("#", number), max(length, 1))
        if length != wanted:
            raise ValueError(f"its array '{name}' has a length of {length} where {axis} is {wanted}")
    if not array.size:
        return
    if np.isnan(array).any() or not (kind.infinite or np.isfinite(array).all()):
        raise ValueError(f"its array '{name}' holds what is infinite or not a number")
    least, most = array.min(), array.max()
    if least < kind.least or least <= kind.above or most > kind.most:
        raise ValueError(f"its array '{name}' holds values out of bounds, from {least:g} to {most:g}")
