"""PulseAudio's connections are few: they are shared out one after another, and when none is left, that is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hearing import Hearing

from asd_edge.calibration.errors import DeviceError
from asd_edge.runtime import Microphone

pytestmark = pytest.mark.microphone

CONNECTIONS = 64
"""MAX_CONNECTIONS of PulseAudio's protocol-native.c."""


@contextmanager
def taken(server: Any, count: int) -> Iterator[None]:
    """Other programs hold so many connections."""
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(count)]
    try:
        for each in sockets:
            each.connect(str(Path(server.environment["XDG_RUNTIME_DIR"], "pulse", "native")))
        time.sleep(0.2)  # the server takes them one after another
        yield
    finally:
        for each in sockets:
            each.close()


def test_no_connection_left_is_told_as_what_it_is(sound_server: Any, run_main: Callable[..., Any]) -> None:
    with taken(sound_server, CONNECTIONS):
        with pytest.raises(DeviceError, match="PulseAudio has no connection left") as refused:
            Microphone("mic")
        assert "up to 64" in refused.value.valid
        for command in ("devices", "doctor"):
            told = run_main(command, "--model", "nowhere.onnx") if command == "doctor" else run_main(command)
            assert told.returncode == 1
            assert "PulseAudio has no connection left" in told.stdout + told.stderr
    Microphone("mic").close()


def test_many_that_open_at_once_neither_refuse_each_other_nor_disturb_one_that_is_open(sound_server: Any) -> None:
    """Eight more would fit, and each connects several times while it looks for its device: they take turns."""
    opened: list[Microphone] = []
    refused: list[DeviceError] = []

    def open_one() -> None:
        try:
            opened.append(Microphone("mic"))
        except DeviceError as error:
            refused.append(error)

    with taken(sound_server, CONNECTIONS - 13), Hearing("mic") as hearing:
        hearing.until_more(5)
        threads = [threading.Thread(target=open_one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        hearing.until_more(5)
        for microphone in opened:
            microphone.close()
    assert not refused
    assert len(opened) == 8
    assert hearing.events == []
