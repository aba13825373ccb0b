"""The clock of live sound."""

from __future__ import annotations

import time


def now_s() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the computer sleeps, as Python's own does not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
