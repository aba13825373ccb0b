"""How signals end an enrolment: the hearing stops, and what was heard is learned and saved first."""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

log = logging.getLogger(__name__)

ONE_PRESS_S = 1.0
"""Ctrl-C that comes again within so many seconds is the same wish: a key that repeats, or an impatient second press."""
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, `kill` or a service manager, and a terminal that went away, such as a dropped ssh session."""


class Stopping:
    """What signals asked for while `stopped_by_signals` lasts.

    Attributes:
        asked: Whether a signal asked to stop.
    """

    def __init__(self) -> None:
        self.asked = False
        self._asked_at = 0.0
        self._at_once = False
        # A handler may interrupt its own thread anywhere, also inside an Event that it would set; this queue allows it.
        self._wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def handle(self, number: int, _: FrameType | None) -> None:
        """Ask to stop; Ctrl-C that comes again later is meant: it raises KeyboardInterrupt, also out of learning."""
        if self._at_once:
            raise KeyboardInterrupt
        if self.asked:
            if number == signal.SIGINT and time.monotonic() - self._asked_at > ONE_PRESS_S:
                raise KeyboardInterrupt
            return
        self.asked, self._asked_at = True, time.monotonic()
        self._wishes.put(True)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let every signal raise KeyboardInterrupt while this lasts, as a question waits for its answer."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def pass_on(self, stop: threading.Event) -> None:
        """Wait for the wish to stop, and set `stop`; it runs in a thread of its own until `end`."""
        if self._wishes.get():
            stop.set()
            log.info("Stopping: what was heard is learned and saved first.")

    def end(self) -> None:
        """Let `pass_on` return."""
        self._wishes.put(False)


@contextlib.contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[Stopping]:
    """Let Ctrl-C, SIGTERM and SIGHUP set an event instead of breaking off the work wherever it is.

    Signals that are ignored, as under `nohup`, stay ignored. Only the main thread can use this.

    Args:
        stop: The event that is set by the first signal.
    """
    stopping = Stopping()
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    waiting = threading.Thread(target=stopping.pass_on, args=(stop,), name="signals", daemon=True)
    waiting.start()
    try:
        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, stopping.handle)
        yield stopping
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        stopping.end()
        waiting.join()
