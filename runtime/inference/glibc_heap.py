"""The heap of the C library glibc: memory that a model needs only while it starts or runs goes back to the system.

With another C library nothing happens.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_ARENA_MAX = -8
"""The number by which ``mallopt`` knows the parameter that says how many heaps threads may have."""
_MMAP_THRESHOLD = -3
"""The number of the parameter that says from how many bytes on a block of memory comes from the system directly, and
goes back to it at once."""
_TRIM_THRESHOLD = -1
"""The number of the parameter that says how many free bytes at its end a heap keeps."""
_LARGEST = 32 << 20
"""Bytes: the highest `_MMAP_THRESHOLD` that glibc goes to by itself, as ever larger blocks come back; its trim
threshold is then twice that."""


def share_one_heap() -> None:
    """Let all threads use one heap from now on, and use again the memory that comes back to it.

    Weights are laid out by several threads; each would keep a heap of its own, the end of which is never given back.
    Weights that are laid out one after the other can use the same memory: new memory from the system takes longer
    (15 ms of the start of BEATs).
    """
    _call("mallopt", _ARENA_MAX, 1)
    _call("mallopt", _MMAP_THRESHOLD, _LARGEST)
    _call("mallopt", _TRIM_THRESHOLD, 2 * _LARGEST)


def give_back() -> None:
    """Return the memory that is free to the system."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        function: Callable[..., object] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library
        return
    function(*arguments)
