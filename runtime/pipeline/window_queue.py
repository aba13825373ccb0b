"""Keeping up with live sound: of each source the newest window counts, and every source gets its turn."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.errors import InputError, in_one_line
from asd_edge.runtime.pipeline.windows import cut_windows
from asd_edge.runtime.sources.source import Event, Source, checked_sound

_POLL_S = 0.2
"""The time between looks at whether listening shall end, which a signal or another thread may want."""
OF_ONE_SOURCE = (InputError, OSError, MemoryError)
"""Errors that end one source alone, while others are heard on; any other is a mistake of this program, and ends it."""
_MOST_EVENTS = 1000
"""The number of events that wait at most while a window is scored. They are rare: this only bounds the memory."""


def windows_of(
    sources: Sequence[tuple[Source, Windowing]],
    stop: threading.Event,
    notes: SimpleQueue[tuple[int, Event]] | None = None,
) -> Iterator[tuple[int, Window | Event]]:
    """Cut sources into windows and give them one after the other, as fast as they are taken.

    Every source is read in the background. A file waits until its window was taken. Live sound does not: of several
    windows that became ready meanwhile only the newest is given, after an event that counts the others.

    Where several sources have a window, it is the turn of the one whose last turn is longest ago. So a window waits
    for at most one of each other source, whatever their hops: one that has many windows cannot starve one that has few.

    A source that cannot be read any more is told as an event, and the others go on.

    Args:
        sources: The sources, each with the rule that cuts its sound.
        stop: Ends the listening when set: soon, and whatever still waits is left.
        notes: Events that come from no source, each with a position; they are given before anything else.

    Yields:
        The position of a source in the list, and its next window or event.

    Raises:
        InputError: A source could not be read, and none is left.
    """
    queues = [_SourceQueue(position, source) for position, (source, _) in enumerate(sources)]
    scheduler = _Scheduler(queues, stop, notes)
    ended = threading.Event()
    threads = [
        threading.Thread(
            target=scheduler.fill,
            args=(queue, cut_windows(checked_sound(queue.source, ended), windowing)),
            name="sound",
            daemon=True,
        )
        for queue, (_, windowing) in zip(scheduler.queues, sources, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        while (taken := scheduler.take()) is not None:
            yield taken
    finally:
        ended.set()
        scheduler.close()
        for thread in threads:
            thread.join(timeout=5.0)


class _SourceQueue:
    """The queue of one source: its events in order, and at most one window, the newest."""

    def __init__(self, position: int, source: Source) -> None:
        self.position = position
        self.source = source
        self.items: deque[Window | Event] = deque()
        self.ended = False
        self.error: BaseException | None = None
        self.heard_s = 0.0
        self._skipped = 0
        self._skipped_from_s = 0.0

    @property
    def window(self) -> Window | None:
        return next((item for item in self.items if isinstance(item, Window)), None)

    def put(self, item: Window | Event) -> None:
        """Add an item; a window takes the place of the one that waits, which is counted as skipped."""
        self.heard_s = item.start_s
        if not isinstance(item, Window):
            if len(self.items) > _MOST_EVENTS:
                del self.items[1 if isinstance(self.items[0], Window) else 0]
        elif (older := self.window) is not None:
            if not self._skipped:
                self._skipped_from_s = older.start_s
            self._skipped += 1
            self.items.remove(older)
        self.items.append(item)

    def take(self) -> Window | Event:
        """The next item; before a window that others had to make room for, the event that counts them."""
        if self._skipped and isinstance(self.items[0], Window):
            count, self._skipped = self._skipped, 0
            reason = "the model was busy while newer windows came"
            return Event("skipped", self.source.name, self._skipped_from_s, reason, count=count)
        return self.items.popleft()


class _Scheduler:
    """The queues of all sources, from which the one that was served longest ago is served next.

    Args:
        queues: The queues, one for each source.
        stop: What ends the listening.
        notes: Events that come from no source, each with the position of one.
    """

    def __init__(
        self,
        queues: Sequence[_SourceQueue],
        stop: threading.Event,
        notes: SimpleQueue[tuple[int, Event]] | None,
    ) -> None:
        self.queues = tuple(queues)
        self._notes = SimpleQueue[tuple[int, Event]]() if notes is None else notes
        self._stop = stop
        self._turns = list(queues)  # the one that was served longest ago comes first
        self._changed = threading.Condition()
        self._closed = False
        self._failed: BaseException | None = None

    def fill(self, queue: _SourceQueue, items: Iterable[Window | Event]) -> None:
        """Put all items of a source into its queue. It runs in the background, in a thread of its own."""
        error: BaseException | None = None
        try:
            for item in items:
                self._put(queue, item)
        except BaseException as raised:  # noqa: BLE001  it is raised again where the items are taken
            error = raised
        with self._changed:
            queue.ended, queue.error = True, error
            self._changed.notify_all()

    def _put(self, queue: _SourceQueue, item: Window | Event) -> None:
        with self._changed:
            if not queue.source.live and isinstance(item, Window):
                self._changed.wait_for(lambda: queue.window is None or self._closed)
            queue.put(item)
            self._changed.notify_all()

    def take(self) -> tuple[int, Window | Event] | None:
        """Wait for the next item and say which source it is from; none when all sources have ended, or at a stop."""
        with self._changed:
            while (ready := self._ready()) is None and not self._stop.is_set() and self._notes.empty():
                if all(queue.ended for queue in self._turns):
                    if self._failed is not None:
                        raise self._failed
                    return None
                self._changed.wait(_POLL_S)
            if self._stop.is_set():
                return None
            with contextlib.suppress(Empty):
                position, note = self._notes.get_nowait()
                return position, replace(note, start_s=self.queues[position].heard_s)
            if ready is None:
                return None
            if not ready.items and ready.error is not None:
                error, ready.error = ready.error, None
                return ready.position, self._failure(ready, error)
            item = ready.take()
            if isinstance(item, Window):
                self._turns.remove(ready)
                self._turns.append(ready)
                self._changed.notify_all()
            return ready.position, item

    def _ready(self) -> _SourceQueue | None:
        """The queue that is served next; none while there is nothing in any."""
        return next((queue for queue in self._turns if queue.items or queue.error is not None), None)

    def _failure(self, queue: _SourceQueue, error: BaseException) -> Event:
        """The event of a source that failed; where no other source is left, its error is raised."""
        is_last = all(other.ended and not other.items for other in self._turns)
        if is_last or not isinstance(error, OF_ONE_SOURCE):
            raise error
        self._failed = self._failed or error
        return Event("failed", queue.source.name, queue.heard_s, in_one_line(error))

    def close(self) -> None:
        """Let the threads that wait for room in a queue go on, so that they end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
