"""A live source that is not there yet: it is looked for until it is, as one that was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from asd_edge.calibration.errors import DeviceError
from asd_edge.runtime.sources.capture.boot_clock import now_s
from asd_edge.runtime.sources.source import Block, Event, Source

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0
"""The time between attempts to open a source that is not there doubles from the first to the longest."""


class Awaited(Source):
    """A source that could not be opened when it was first asked for.

    It says that it is missing, tries to open it again with growing waits between, and then gives its sound. From then
    on its name, its length and all else are those of the source.

    Args:
        open_source: Opens the source, or raises a DeviceError while it is not there.
        name: What the source is called until it is there. It holds no password.
        why: The error of the first attempt.
    """

    live = True

    def __init__(self, open_source: Callable[[], Source], name: str, why: DeviceError) -> None:
        self.name = name
        self._open = open_source
        self._why = why
        self._source: Source | None = None

    @property
    def longest_s(self) -> float:
        """How long the longest continuous recording is, in seconds; infinite until the source is there."""
        return self.duration_s if self._source is None else self._source.longest_s

    @property
    def late_blocks(self) -> int:
        """How often live sound has come late so far."""
        return 0 if self._source is None else self._source.late_blocks

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give the sound of the source once it is there; see `Source`. Times count from the call of this function."""
        began = now_s()
        why = self._why
        yield self._missing(why, 0.0)
        for _ in attempts(stop):
            try:
                source = self._open()
            except DeviceError as error:
                if str(error) != str(why):
                    why = error
                    yield self._missing(why, round(now_s() - began, 3))
                continue
            self._source = source
            self.name, self.live, self.duration_s = source.name, source.live, source.duration_s
            waited_s = round(now_s() - began, 3)
            yield Event("resumed", self.name, waited_s, "the source is there", round(waited_s, 1))
            for item in source.sound(stop):
                yield replace(item, start_s=item.start_s + waited_s)
            return

    def _missing(self, error: DeviceError, start_s: float) -> Event:
        return Event("missing", self.name, start_s, f"{error.what} {error.got}".strip())


def attempts(stop: threading.Event) -> Iterator[None]:
    """Wait before each attempt to open a source, longer from one to the next, until `stop` is set."""
    wait_s = FIRST_RETRY_S
    while not stop.wait(wait_s):
        yield
        wait_s = min(2.0 * wait_s, LONGEST_RETRY_S)
