"""Time that passes only when something says so."""

from __future__ import annotations


class VirtualClock:
    """Starts at 0 s."""

    def __init__(self) -> None:
        self.moment = 0.0

    def now(self) -> float:
        return self.moment

    def wait_until(self, moment: float) -> None:
        self.moment = max(self.moment, moment)
