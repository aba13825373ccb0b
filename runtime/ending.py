"""How a command ends that runs until it is stopped: by a signal and in good order, also when a thread hangs."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""
GRACE_S = 10.0
"""How long a command may take to end after a signal. Whatever hangs then, a sound driver or a full pipe, is left."""
HANGING_THREADS = "sink "
"""How the names of threads begin that may hang in a write which nobody reads."""


class Signals:
    """What signals ask of a command, while it runs within this context.

    SIGTERM and Ctrl-C raise KeyboardInterrupt until `in_order` is set. From then on they set `stop`, and the command
    ends in its own time, but within `GRACE_S`; a second one raises KeyboardInterrupt. SIGHUP puts True into `reload`.

    Attributes:
        in_order: Whether the command looks at `stop`.
        stop: It is set when the command shall end.
        reload: It gets True whenever the command shall read its files anew.
        exit_code: How the command ends: 0 after SIGTERM, which is the ordinary end of a service, and `INTERRUPTED`
            after Ctrl-C.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.in_order = False
        # A handler may interrupt its own thread anywhere; a queue of this kind has no lock that this could wait for.
        self.reload: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.exit_code = 0
        # What hangs may hold any lock, or be the main thread itself: this thread is there before and waits for nothing.
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        handlers = {signal.SIGTERM: self._end, signal.SIGINT: self._end, signal.SIGHUP: self._read_anew}
        threading.Thread(target=self._watch, name="end", daemon=True).start()
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._ended.set()
        self._asked.set()

    def _end(self, number: int, frame: FrameType | None) -> None:
        again = self._asked.is_set()
        if not again:
            self.exit_code = INTERRUPTED if number == signal.SIGINT else 0
        if again or not self.in_order:
            signal.default_int_handler(number, frame)
        self._asked.set()
        self.stop.set()

    def _read_anew(self, _number: int, _frame: FrameType | None) -> None:
        self.reload.put(True)

    def _watch(self) -> None:
        self._asked.wait()
        if not self._ended.wait(GRACE_S):
            os._exit(self.exit_code)


def hanging() -> bool:
    """Whether a thread still hangs in a write. Then nothing more can be written to the same place."""
    return any(thread.name.startswith(HANGING_THREADS) for thread in threading.enumerate())


def leave(code: int) -> NoReturn:
    """End the process. Python's own end would wait for ever for a thread that hangs in a write to standard output.

    Args:
        code: The exit code.

    Raises:
        SystemExit: No thread hangs.
    """
    if hanging():
        os._exit(code)
    sys.exit(code)
