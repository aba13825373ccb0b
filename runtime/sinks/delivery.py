"""Handing what was heard to several sinks, of which one may fail or hang without the others."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from asd_edge.calibration.errors import InputError, in_one_line
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.pipeline.machine import Machine, Score
from asd_edge.runtime.sinks.lane import Lane
from asd_edge.runtime.sinks.sink import Sink, Summary, heard_now
from asd_edge.runtime.sources.source import Event

log = logging.getLogger(__name__)

_PATIENCE_S = 1.0
"""How long the hearing waits for a sink before it goes on without: far longer than a healthy one takes."""
_END_S = 3.0
"""How long sinks may take to end when the listening was stopped; a supervisor waits longer than that."""
_POLL_S = 0.2


@checked
def deliver(
    items: Iterable[Score | Event],
    sinks: Sequence[Sink],
    machines: Sequence[Machine] = (),
    stop: threading.Event | None = None,
) -> None:
    """Show every score and event in every sink, and end the sinks.

    A sink that raises an error is told once, as a warning of the logger of this module, ended and left out. Where
    sound is heard live, so is one that hangs until too much waits for it; recorded sound waits instead. The sinks are
    ended whatever happens, also by Ctrl-C (KeyboardInterrupt) or an error of the sound.

    Args:
        items: What `listen` or `score_files` gives. A generator is closed at the end, so that its sources are.
        sinks: Where it goes.
        machines: The machines that are listened to, in the order of `listen`; none where files are scored.
        stop: What ends the listening; sinks that hang are then waited for no longer than a few seconds. It is set when
            the last sink has failed.

    Raises:
        Exception: The error of the last sink that was left.
        InputError: The sound cannot be read any more, or the last sink could not write.
    """
    stop = stop or threading.Event()
    counts = _Counts(machines)
    left = _SinksLeft([Lane(sink, counts.so_far) for sink in sinks], any(map(heard_now, machines)), stop)
    try:
        left.each(lambda sink: sink.begin(machines))
        for item in items:
            counts.add(item)
            left.each(lambda sink, item=item: sink.show(item))  # type: ignore[misc]  # the lambda's default is its type
    except BaseException as error:
        left.end(may_raise=False, in_a_hurry=not isinstance(error, Exception))  # the error on its way tells more
        raise
    else:
        left.end(may_raise=True, in_a_hurry=False)
    finally:
        if close := getattr(items, "close", None):
            close()


class _Counts:
    """The counts of what went by, which the threads of the sinks read while they grow."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self._summaries = {machine.name: Summary() for machine in machines}
        self._lock = threading.Lock()

    def add(self, item: Score | Event) -> None:
        with self._lock:
            self._summaries.setdefault(item.machine, Summary()).add(item)

    def so_far(self) -> dict[str, Summary]:
        """The counts up to now, of each machine by its name."""
        with self._lock:
            for machine in self._machines:
                self._summaries[machine.name].late_blocks = machine.source.late_blocks
            return copy.deepcopy(self._summaries)


class _SinksLeft:
    """The sinks that have not failed.

    Args:
        lanes: The sinks, each in a thread of its own.
        live: Whether sound is heard live, so that it cannot wait for them.
        stop: What ends the listening.
    """

    def __init__(self, lanes: Sequence[Lane], live: bool, stop: threading.Event) -> None:
        self._lanes = list(lanes)
        self._live = live
        self._stop = stop

    def each(self, do: Callable[[Sink], None]) -> None:
        """Do something with every sink; raise the error of the last one that was left."""
        for lane in self._lanes:
            while lane.full and not self._live and not self._stop.is_set():
                lane.settled(_POLL_S)
            lane.give(do)
        for lane in self._lanes:
            if not lane.slow:
                lane.settled(_PATIENCE_S)
        for lane in [lane for lane in self._lanes if lane.error is not None]:
            self._lanes.remove(lane)
            self._tell_or_raise(lane, is_last=not self._lanes)

    def _tell_or_raise(self, lane: Lane, is_last: bool) -> None:
        error = lane.error
        if error is None:
            return
        if not isinstance(error, Exception):
            raise error
        if is_last:
            self._stop.set()
            raise _clear(lane.sink, error)
        log.warning(
            "The sink %s failed and is left out: %s", lane.sink.name, _in_words(error), exc_info=_traceback(error)
        )

    def end(self, may_raise: bool, in_a_hurry: bool) -> None:
        """End every sink; where all of them fail to, raise the error of the last if that may be."""
        for lane in self._lanes:
            lane.end()
        deadline = time.monotonic() + _END_S
        for lane in self._lanes:
            while not lane.settled(_POLL_S):
                if not (self._live or in_a_hurry or self._stop.is_set()):
                    deadline = time.monotonic() + _END_S
                if time.monotonic() > deadline:
                    lane.give_up()
        failed = [lane for lane in self._lanes if lane.error is not None]
        all_failed = len(failed) == len(self._lanes)
        self._lanes = []
        for lane in failed:
            last = may_raise and all_failed and lane is failed[-1]
            self._tell_or_raise(lane, is_last=last and not self._stop.is_set())  # to stop is no failure


def _clear(sink: Sink, error: Exception) -> Exception:
    """The error of the last sink as one that says what a user can do, where the system gave the reason."""
    if not isinstance(error, OSError) or isinstance(error, BrokenPipeError):
        return error
    clear = InputError(
        "What was heard cannot be written anywhere.",
        got=f"{sink.name}: {error.strerror or error}",
        valid="a place that takes every line, such as a disk with room or a pipe whose reader reads",
        next_step="make room there or choose another place with --sink",
    )
    clear.__cause__ = error
    return clear


def _in_words(error: Exception) -> str:
    return in_one_line(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _traceback(error: Exception) -> Exception | None:
    return error if log.isEnabledFor(logging.DEBUG) else None
