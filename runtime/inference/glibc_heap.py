"""The C library's heap, if it is glibc: what a model needs only while it starts or runs goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_ARENA_MAX = -8
"""Number of glibc's parameter in ``mallopt``: how many heaps threads may have."""
_MMAP_THRESHOLD = -3
"""From how many bytes on memory is had from the system directly, and goes back to it at once."""
_TRIM_THRESHOLD = -1
"""How many free bytes at its end a heap keeps."""
_LARGEST = 32 << 20
"""The most of the first that glibc goes to by itself, as ever larger blocks come back; the second is then twice it."""


def share_one_heap() -> None:
    """Let all threads use one heap from now on, and what comes back to it again.

    Weights are laid out by several threads; each would keep a heap of its own, the end of which is never given back.
    Laid out one after the other, they can have the same memory: to get new from the system takes longer (15 ms of the
    start of BEATs).
    """
    _call("mallopt", _ARENA_MAX, 1)
    _call("mallopt", _MMAP_THRESHOLD, _LARGEST)
    _call("mallopt", _TRIM_THRESHOLD, 2 * _LARGEST)


def give_back() -> None:
    """Return what is free."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        function: Callable[..., object] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library
        return
    function(*arguments)
