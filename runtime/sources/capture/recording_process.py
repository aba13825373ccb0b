"""The recording process as the program that listens sees it: started, asked for messages, and killed."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
from typing import IO, cast

from asd_edge.runtime.own_process import module_command
from asd_edge.runtime.sources.capture.device_errors import START_TIMEOUT_S, not_started, stuck
from asd_edge.runtime.sources.capture.portaudio_process import HEADER

_POLL_S = 0.2
"""How soon it is noticed that the listening was stopped."""


class RecordingProcess:
    """A recording process that was started, see `asd_edge.runtime.sources.capture.portaudio_process`.

    Args:
        arguments: The arguments of the process.
        source: The source that a sound server shall record from where the device does not say.

    Attributes:
        number: The number that the system knows it by.

    Raises:
        DeviceError: The process cannot be started.
    """

    def __init__(self, *arguments: str, source: str = "") -> None:
        self._selector: selectors.DefaultSelector | None = None
        self._buffer = bytearray()
        try:
            self._process = subprocess.Popen(
                module_command("asd_edge.runtime.sources.capture.portaudio_process", *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # ALSA and JACK think aloud there
                bufsize=0,
                env={**os.environ, "PULSE_SOURCE": source} if source else None,
            )
        except OSError as error:
            raise not_started(error) from error
        self.number = self._process.pid
        self._out = cast(IO[bytes], self._process.stdout).fileno()
        try:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._out, selectors.EVENT_READ)
        except OSError as error:
            self.close()
            raise not_started(error) from error

    def __enter__(self) -> RecordingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, stop: threading.Event) -> tuple[bytes, bytes]:
        """The first message but those that it waits for its turn.

        Raises:
            DeviceError: None comes.
        """
        while True:
            message = self.receive(START_TIMEOUT_S, stop)
            if message is None:
                raise stuck()
            if message[0] != b"W":
                return message

    def receive(self, timeout_s: float, stop: threading.Event) -> tuple[bytes, bytes] | None:
        """The next message; none when it does not come in time or `stop` is set.

        Time counts in which this process could have taken a message: not that in which it was stopped itself.
        """
        waited_s = 0.0
        while True:
            if len(self._buffer) >= HEADER.size:
                kind, length = HEADER.unpack_from(self._buffer)
                if len(self._buffer) >= HEADER.size + length:
                    payload = bytes(self._buffer[HEADER.size : HEADER.size + length])
                    del self._buffer[: HEADER.size + length]
                    return kind, payload
            if stop.is_set() or waited_s >= timeout_s or self._selector is None:
                return None
            if not self._selector.select(_POLL_S):
                waited_s += _POLL_S
                continue
            data = os.read(self._out, 1 << 20)
            if not data:
                return b"E", b'{"kind": "failed", "message": "the recording process ended", "devices": []}'
            self._buffer += data

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._selector is not None:
            self._selector.close()
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
