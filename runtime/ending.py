"""How a command ends: by a signal and in good order, also when a thread hangs or nobody takes its output any more."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import IO, NoReturn

log = logging.getLogger(__name__)

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""
GRACE_S = 10.0
"""How long a command may take to end after a signal. Whatever hangs then, a sound driver or a full pipe, is left."""
HANGING_THREADS = "sink "
"""How the names of threads begin that may hang in a write which nobody reads."""
ONE_PRESS_S = 1.0
"""Ctrl-C that comes again within so many seconds is the same wish: a key that repeats, or an impatient second press."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill` or a service manager, and a terminal that went away, such as a dropped ssh session."""
_Handler = Callable[[int, "FrameType | None"], None]


class Signals:
    """What signals ask of a command that runs until it is stopped, while `ended_by_signals` lasts.

    SIGTERM and Ctrl-C raise KeyboardInterrupt until `in_order` is set. From then on they set `stop`, and the command
    ends in its own time, but within `GRACE_S`; a second one raises KeyboardInterrupt. SIGHUP puts True into `reload`.

    Attributes:
        in_order: Whether the command looks at `stop`.
        broken_off: Whether KeyboardInterrupt was raised.
        stop: It is set when the command shall end.
        reload: It gets True whenever the command shall read its files anew.
        exit_code: How the command ends: 0 after SIGTERM, which is the ordinary end of a service, and `INTERRUPTED`
            after Ctrl-C.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.in_order = self.broken_off = False
        # A handler may interrupt its own thread anywhere; a queue of this kind has no lock that this could wait for.
        self.reload: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.exit_code = 0
        # What hangs may hold any lock, or be the main thread itself: this thread is there before and waits for nothing.
        self._asked = threading.Event()
        self._ended = threading.Event()

    def end(self, number: int, frame: FrameType | None) -> None:
        """Ask the command to end: in its own time where it looks at `stop`, else at once, as when asked again."""
        again = self._asked.is_set()
        if not again:
            self.exit_code = INTERRUPTED if number == signal.SIGINT else 0
        if again or not self.in_order:
            self.broken_off = True
            signal.default_int_handler(number, frame)
        self._asked.set()
        self.stop.set()

    def read_anew(self, _number: int, _frame: FrameType | None) -> None:
        """Ask the command to read its files anew."""
        self.reload.put(True)

    def watch(self) -> None:
        """End the process where the command does not end in time; it runs in a thread of its own until `over`."""
        self._asked.wait()
        if not self._ended.wait(GRACE_S):
            os._exit(self.exit_code)

    def over(self) -> None:
        """Let `watch` return."""
        self._ended.set()
        self._asked.set()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[Signals]:
    """Let Ctrl-C, SIGTERM and SIGHUP ask what `Signals` says. Only the main thread can use this.

    Raises:
        SystemExit: A signal broke the work off, while it starts or because its ordinary end took too long.
    """
    signals = Signals()
    threading.Thread(target=signals.watch, name="end", daemon=True).start()
    try:
        with _handled({signal.SIGTERM: signals.end, signal.SIGINT: signals.end, signal.SIGHUP: signals.read_anew}):
            yield signals
    except (KeyboardInterrupt, Exception):  # compiled code that is being imported makes an ImportError of the former
        if not signals.broken_off:
            raise
        sys.exit(signals.exit_code)
    finally:
        signals.over()


class Stopping:
    """What signals ask of a command that learns from what it heard before it ends, while `stopped_by_signals` lasts.

    Attributes:
        asked: Whether a signal asked to stop.
        broken_off: Whether one came while `at_once` lasted, such as at a question.
    """

    def __init__(self) -> None:
        self.asked = self.broken_off = False
        self._asked_at = 0.0
        self._at_once = False
        # A handler may interrupt its own thread anywhere, also inside an Event that it would set; this queue allows it.
        self._wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def handle(self, number: int, _: FrameType | None) -> None:
        """Ask to stop; Ctrl-C that comes again later is meant: it raises KeyboardInterrupt, also out of learning."""
        if self._at_once:
            self.broken_off = True
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
    heeded = [number for number in _STOPPING if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    waiting = threading.Thread(target=stopping.pass_on, args=(stop,), name="signals", daemon=True)
    waiting.start()
    try:
        with _handled(dict.fromkeys(heeded, stopping.handle)):
            yield stopping
    finally:
        stopping.end()
        waiting.join()


@contextlib.contextmanager
def _handled(handlers: Mapping[signal.Signals, _Handler]) -> Iterator[None]:
    """Let signals be handled by others while this lasts."""
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            if earlier is not None:
                signal.signal(number, earlier)


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


def give_up_output(stream: IO[str]) -> None:
    """Let vanish whatever is still to be written on a stream, or Python would fail over it once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
