"""A microphone that is heard in the background, for tests that do something to it meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd_edge.runtime import Block, Event, Microphone


class Hearing:
    """All that a microphone gives, as it comes."""

    def __init__(self, device: str) -> None:
        self.items: list[Block | Event] = []
        self.error: BaseException | None = None
        self._microphone = Microphone(device)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hear, daemon=True)

    def _hear(self) -> None:
        try:
            for item in self._microphone.sound(self._stop):
                self.items.append(item)
        except BaseException as error:  # noqa: BLE001  a test looks at it
            self.error = error

    @property
    def events(self) -> list[Event]:
        return [item for item in self.items if isinstance(item, Event)]

    @property
    def blocks(self) -> list[Block]:
        return [item for item in self.items if isinstance(item, Block)]

    def until(self, wanted: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + timeout_s
        while not wanted():
            if self.error is not None:
                raise self.error
            if time.monotonic() > deadline:
                pytest.fail(f"it did not come within {timeout_s:g} s; events: {self.events}")
            time.sleep(0.02)

    def until_event(self, kind: str) -> Event:
        """Wait for the first event of a kind."""
        self.until(lambda: any(event.event == kind for event in self.events))
        return next(event for event in self.events if event.event == kind)

    def until_more(self, count: int) -> None:
        """Wait for so many more blocks."""
        before = len(self.blocks)
        self.until(lambda: len(self.blocks) >= before + count)

    def __enter__(self) -> Hearing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10.0)
        assert not self._thread.is_alive()


def write_tone(path: Path, amplitude: float, hz: float) -> Path:
    """Two minutes of a tone, as the sink of a sound server has it."""
    tone = amplitude * np.sin(2 * np.pi * hz * np.arange(120 * 44_100) / 44_100)
    soundfile.write(path, np.stack([tone, tone], axis=1), 44_100, subtype="FLOAT")
    return path
