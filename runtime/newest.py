"""Keeping up with live sound: when the model is slower than the hop, the newest window counts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from asd_edge.runtime.sound import Event, Source
from asd_edge.runtime.windows import Cut, Window, cut_windows

_MOST_EVENTS = 1000
"""Events that wait while a window is being scored; they are rare, so this is a bound, not a size."""


def windows_of(source: Source, cut: Cut, stop: threading.Event) -> Iterator[Window | Event]:
    """Cut a source into windows, as fast as they are taken.

    A file waits. A live source does not: its sound is taken in the background, and of several windows that became
    ready meanwhile only the newest is given, after an event that counts the others.

    Args:
        source: Where sound comes from.
        cut: How to cut it.
        stop: Ends it when set.
    """
    windows = cut_windows(source.sound(stop), cut)
    return _newest(windows, source.name, stop) if source.live else windows


def _newest(items: Iterator[Window | Event], name: str, stop: threading.Event) -> Iterator[Window | Event]:
    mailbox = _Mailbox()

    def fill() -> None:
        try:
            for item in items:
                mailbox.put(item)
            mailbox.end(None)
        except BaseException as error:  # noqa: BLE001  it is raised again where the items are taken
            mailbox.end(error)

    thread = threading.Thread(target=fill, name="sound", daemon=True)
    thread.start()
    try:
        while (taken := mailbox.take()) is not None:
            item, skipped, skipped_from_s = taken
            if skipped:
                reason = "the model was busy while newer windows came"
                yield Event("skipped", name, skipped_from_s, reason, count=skipped)
            yield item
    finally:
        stop.set()
        thread.join(timeout=5.0)


class _Mailbox:
    """Events in order and at most one window."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[Window | Event] = deque()
        self._skipped = 0
        self._skipped_from_s = 0.0
        self._ended = False
        self._error: BaseException | None = None

    def put(self, item: Window | Event) -> None:
        with self._changed:
            if isinstance(item, Window):
                for waiting in self._items:
                    if isinstance(waiting, Window):
                        if not self._skipped:
                            self._skipped_from_s = waiting.start_s
                        self._skipped += 1
                        self._items.remove(waiting)
                        break
            elif len(self._items) > _MOST_EVENTS:
                self._items.popleft()
            self._items.append(item)
            self._changed.notify()

    def end(self, error: BaseException | None) -> None:
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self) -> tuple[Window | Event, int, float] | None:
        """The next item with the number of windows skipped before it; none at the end."""
        with self._changed:
            while not self._items:
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                self._changed.wait()
            item = self._items.popleft()
            skipped = 0
            if isinstance(item, Window):
                skipped, self._skipped = self._skipped, 0
            return item, skipped, self._skipped_from_s
