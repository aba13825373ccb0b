"""Keeping up with live sound: of each source the newest window counts, and every source gets its turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.pipeline.windows import cut_windows
from asd_edge.runtime.sources.source import Event, Source, checked_sound

_MOST_EVENTS = 1000
"""Events that wait while a window is being scored; they are rare, so this is a bound, not a size."""


def windows_of(
    sources: Sequence[tuple[Source, Windowing]], stop: threading.Event
) -> Iterator[tuple[int, Window | Event]]:
    """Cut sources into windows and give them one after the other, as fast as they are taken.

    Every source is read in the background. A file waits until its window was taken. Live sound does not: of several
    windows that became ready meanwhile only the newest is given, after an event that counts the others.

    Where several sources have a window, it is the turn of the one whose last turn is longest ago. So a window waits
    for at most one of each other source, whatever their hops: one that has many windows cannot starve one that has few.

    A source that cannot be read any more is told as an event, and the others go on.

    Args:
        sources: Where sound comes from, and how to cut it.
        stop: Ends it when set.

    Yields:
        Which of the sources, and its next window or event.

    Raises:
        InputError: A source could not be read, and none is left.
    """
    waiting = _Waiting([_Box(position, source) for position, (source, _) in enumerate(sources)])
    threads = [
        threading.Thread(
            target=waiting.fill,
            args=(box, cut_windows(checked_sound(box.source, stop), cut)),
            name="sound",
            daemon=True,
        )
        for box, (_, cut) in zip(waiting.boxes, sources, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        while (taken := waiting.take()) is not None:
            yield taken
    finally:
        stop.set()
        waiting.close()
        for thread in threads:
            thread.join(timeout=5.0)


class _Box:
    """What waits of one source: events in order and at most one window."""

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
        if self._skipped and isinstance(self.items[0], Window):
            count, self._skipped = self._skipped, 0
            reason = "the model was busy while newer windows came"
            return Event("skipped", self.source.name, self._skipped_from_s, reason, count=count)
        return self.items.popleft()


class _Waiting:
    """What waits of all sources.

    Args:
        boxes: Of the sources.
    """

    def __init__(self, boxes: Sequence[_Box]) -> None:
        self.boxes = tuple(boxes)
        self._turns = list(boxes)  # the one whose last turn is longest ago comes first
        self._changed = threading.Condition()
        self._closed = False
        self._failed: BaseException | None = None

    def fill(self, box: _Box, items: Iterable[Window | Event]) -> None:
        """Put everything into a box; runs in the background."""
        error: BaseException | None = None
        try:
            for item in items:
                self._put(box, item)
        except BaseException as raised:  # noqa: BLE001  it is raised again where the items are taken
            error = raised
        with self._changed:
            box.ended, box.error = True, error
            self._changed.notify_all()

    def _put(self, box: _Box, item: Window | Event) -> None:
        with self._changed:
            if not box.source.live and isinstance(item, Window):
                self._changed.wait_for(lambda: box.window is None or self._closed)
            box.put(item)
            self._changed.notify_all()

    def take(self) -> tuple[int, Window | Event] | None:
        """The next item and where it is from; none at the end."""
        with self._changed:
            while (box := next((box for box in self._turns if box.items or box.error is not None), None)) is None:
                if all(box.ended for box in self._turns):
                    if self._failed is not None:
                        raise self._failed
                    return None
                self._changed.wait()
            if not box.items and box.error is not None:
                error, box.error = box.error, None
                return box.position, self._survived(box, error)
            item = box.take()
            if isinstance(item, Window):
                self._turns.remove(box)
                self._turns.append(box)
                self._changed.notify_all()
            return box.position, item

    def _survived(self, box: _Box, error: BaseException) -> Event:
        """Tell an error where others go on, or raise it."""
        if not isinstance(error, InputError) or all(other.ended and not other.items for other in self._turns):
            raise error
        self._failed = self._failed or error
        return Event("failed", box.source.name, box.heard_s, f"{error.what} {error.got}".strip())

    def close(self) -> None:
        """Let whoever waits to put something go on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
