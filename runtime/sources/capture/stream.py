"""An opened microphone, whose sound is certain to come from where it should."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque

import numpy as np

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import DeviceError
from asd_edge.runtime.sources.capture.device_errors import device_error
from asd_edge.runtime.sources.capture.input_devices import InputDevice, Match
from asd_edge.runtime.sources.capture.portaudio_process import BLOCK_HEADER, WAITING
from asd_edge.runtime.sources.capture.recording_process import RecordingProcess
from asd_edge.runtime.sources.capture.source_watch import Followed, follow

log = logging.getLogger(__name__)

DEAD_S = 3.0
"""Without a block for this long a stream is dead: blocks come five times a second."""
STUCK_S = 30.0
"""A recording process that says nothing at all for so long hangs. It says something twice a second, unless it is
stopped or the computer is very busy; sound waits in the sound server meanwhile."""
QUEUE_BLOCKS = 150
"""The number of blocks, half a minute of sound, that wait while this process is busy; what comes after them is lost."""
_MOST_UNCERTAIN = QUEUE_BLOCKS + 30
"""So many blocks come at once after this process was stopped; more wait only where the sound server does not answer."""
_POLL_S = 0.2
"""How often it is looked whether sound that came is certain by now."""


class Stream:
    """An opened stream: a recording process that has said hello.

    Args:
        device: The name of the microphone.
        channels: How many channels are needed.
        how: How the name must match.
        stop: Ends the waiting when set.
        source: The source of the sound server that it must be; empty where it may be any.

    Attributes:
        device: The device that was opened.
        rate_hz: The sample rate that it promises.
        twins: How many other devices have its name up to the position.
        failure: Why it died, in words.

    Raises:
        DeviceError: It cannot be opened, or the sound server records from another source.
    """

    def __init__(self, device: str, channels: int, how: Match, stop: threading.Event, source: str = "") -> None:
        self._followed: Followed | None = None
        self._waiting: deque[tuple[int, float, FloatArray]] = deque()
        self._process = RecordingProcess("record", device, str(channels), how, str(QUEUE_BLOCKS), source=source)
        self.failure = ""
        try:
            kind, payload = self._process.answer(stop)
            if kind != b"H":
                raise device_error(device, payload)
            hello = json.loads(payload)
            self._followed = follow(hello["servers"], self._process.number)
            self._check_source(device, source, hello["servers"])
        except BaseException:
            self.close()
            raise
        self.device = InputDevice(**hello["device"])
        self.rate_hz = round(hello["rate_hz"])
        self._channels: int = hello["channels"]
        self.twins: int = hello["twins"]

    @property
    def source(self) -> str:
        """The name of the source of the sound server; empty where there is no server, or it does not say."""
        return self._followed.source if self._followed is not None else ""

    def _check_source(self, device: str, wanted: str, servers: list[str]) -> None:
        if wanted and self.source != wanted:
            raise DeviceError(
                "The sound server has another microphone in the place of this one.",
                got=f"{device}: {self.source or 'unknown'}",
                valid=wanted,
                next_step="connect it again, or look which sources there are with `pactl list short sources`",
            )
        if servers and self._followed is None:
            log.warning(
                "It cannot be seen whether the sound server puts another microphone in the place of %s.", device
            )

    def next_block(self, stop: threading.Event) -> tuple[int, float, FloatArray] | None:
        """The next block: flags, arrival time, samples (frames, channels); none once the stream is dead or stopped.

        A block waits until it is certain that its sound is of the right source.
        """
        silent_s, unanswered_s = 0.0, 0.0
        while not stop.is_set():
            if self._waiting and (self._followed is None or self._waiting[0][1] <= self._followed.certain_until_s):
                return self._waiting.popleft()
            self.failure = self._death(silent_s, unanswered_s)
            if self.failure:
                return None
            message = self._process.receive(_POLL_S, stop)
            if message is None:
                unanswered_s += _POLL_S  # the time of this process: time in which it is stopped must not count
                continue
            kind, payload = message
            if kind == b"W":
                (silent_s,), unanswered_s = WAITING.unpack(payload), 0.0
            elif kind == b"A":
                flags, arrived_s = BLOCK_HEADER.unpack_from(payload)
                samples = np.frombuffer(payload, np.float32, offset=BLOCK_HEADER.size).reshape(-1, self._channels)
                self._waiting.append((flags, arrived_s, samples))
                silent_s, unanswered_s = 0.0, 0.0
            else:
                self.failure = json.loads(payload)["message"]
                return None
        return None

    def _death(self, silent_s: float, unanswered_s: float) -> str:
        """Why the stream is dead, in words; empty where it is not."""
        if self._followed is not None and self._followed.failure:
            return self._followed.failure
        if len(self._waiting) > _MOST_UNCERTAIN:
            return "the sound server does not say where the sound comes from"
        if silent_s >= DEAD_S:
            return f"no sound for {DEAD_S:g} s"
        return f"the recording process did nothing for {STUCK_S:g} s" if unanswered_s >= STUCK_S else ""

    def close(self) -> None:
        """Give the device back."""
        if self._followed is not None:
            self._followed.close()
        self._process.close()
