"""The C library's heap, if it is glibc: what a model needs only while it starts or runs goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_ARENA_MAX = -8
"""Number of glibc's parameter in ``mallopt``: how many heaps threads may have."""


def share_one_heap() -> None:
    """Let all threads use one heap from now on.

    Weights are laid out by several threads; each would keep a heap of its own, the end of which is never given back.
    """
    _call("mallopt", _ARENA_MAX, 1)


def give_back() -> None:
    """Return what is free."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        function: Callable[..., object] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library
        return
    function(*arguments)
