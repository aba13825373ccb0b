"""A sink in a thread of its own, so that one which hangs keeps neither the hearing nor the other sinks waiting."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping

from asd_edge.runtime.ending import HANGING_THREADS
from asd_edge.runtime.sinks.sink import Sink, Summary

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""How many scores and events wait for a sink at most: more than a day of one machine, in a few megabytes."""


class Lane:
    """One sink and what waits for it.

    Args:
        sink: The sink. Its methods are called one after the other, in the thread of the lane.
        summaries: What gives the counts that the sink ends with.

    Attributes:
        error: Why the sink is of no use any more; none while it is. By then the sink was ended, unless it hangs.
        slow: Whether the sink still had something to do when it was last waited for.
    """

    def __init__(self, sink: Sink, summaries: Callable[[], Mapping[str, Summary]]) -> None:
        self.sink = sink
        self.error: BaseException | None = None
        self.slow = False
        self._summaries = summaries
        self._waiting: deque[Callable[[Sink], None]] = deque()
        self._busy = self._ending = self._over = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=f"{HANGING_THREADS}{sink.name}", daemon=True).start()

    @property
    def full(self) -> bool:
        """Whether there is no room for anything more."""
        return self.error is None and len(self._waiting) >= MOST_WAITING

    def give(self, do: Callable[[Sink], None]) -> None:
        """Let the sink do something after all that waits; where there is no room for it, the sink is given up."""
        with self._changed:
            if self.full:
                self.give_up()
            self.slow = self.slow and not self._settled()
            self._waiting.append(do)
            self._changed.notify_all()

    def end(self) -> None:
        """Let the sink end after all that waits."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def settled(self, timeout_s: float) -> bool:
        """Wait until the sink has done everything or failed; tell whether it has."""
        with self._changed:
            self.slow = not self._changed.wait_for(self._settled, timeout_s)
            return not self.slow

    def give_up(self) -> None:
        """Wait no longer for a sink that hangs."""
        with self._changed:
            waiting = len(self._waiting) + self._busy
            self.error = self.error or TimeoutError(f"it hangs, and has not taken the last {waiting} scores and events")
            self._changed.notify_all()

    def _settled(self) -> bool:
        idle = not self._waiting and not self._busy and not self._ending
        return idle or self._over or self.error is not None

    def _run(self) -> None:
        failed: BaseException | None = None
        try:
            while (do := self._next()) is not None:
                do(self.sink)
        except BaseException as error:  # noqa: BLE001  it is raised, or told, where the scores and events come from
            failed = error
        try:
            self.sink.end(self._summaries())
        except BaseException as error:
            if failed is not None:  # the first error is the one that is told
                log.debug("The sink %s could not end.", self.sink.name, exc_info=True)
            failed = failed or error
        with self._changed:
            self.error = self.error or failed
            self._over = True
            self._changed.notify_all()

    def _next(self) -> Callable[[Sink], None] | None:
        """Wait for the next thing to do; there is none when the sink shall end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._ending or self.error is not None)
            if self.error is not None or not self._waiting:
                return None
            self._busy = True
            return self._waiting.popleft()
