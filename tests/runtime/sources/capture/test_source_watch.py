"""A sound server that puts another microphone in the place of ours: PulseAudio does so whenever one is unplugged."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearing import Hearing, write_tone

from asd_edge.runtime import Block
from asd_edge.runtime.sources.capture.source_watch import follow

pytestmark = pytest.mark.microphone
OURS, OTHER = 0.1, 0.8
"""The amplitudes of what the two microphones hear."""


@pytest.fixture
def rooms(sound_server: Any, tmp_path: Path) -> Iterator[Any]:
    """Our microphone hears a quiet tone; another one, of the same server, a loud one."""
    sound_server.plug("other")
    sound_server.control("set-default-source", "machine.monitor")
    ours, other = write_tone(tmp_path / "ours.wav", OURS, 300), write_tone(tmp_path / "other.wav", OTHER, 900)
    players: list[subprocess.Popen[bytes]] = []

    def play() -> None:
        players.append(sound_server.play(ours))

    players.append(sound_server.play(other, "other"))
    play()
    sound_server.play_ours = play
    yield sound_server
    for player in players:
        player.kill()
        player.wait()


def recording(server: Any) -> str:
    """The number of the recording that the server makes for us."""
    return str(server.control("list", "short", "source-outputs").stdout.split()[0])


@pytest.mark.parametrize(
    ("device", "happens"),
    [("mic", "unplugged"), ("pulse", "unplugged"), ("mic", "moved"), ("pulse", "default")],
)
def test_another_microphone_is_never_heard_in_the_place_of_ours(rooms: Any, device: str, happens: str) -> None:
    """Whether it was unplugged, moved by a user or followed a new default: it is lost until the named one is back."""
    with Hearing(device) as hearing:
        hearing.until(lambda: len(hearing.blocks) > 3 and loudest(hearing.blocks[-1:]) > OURS / 2)
        if happens == "unplugged":
            rooms.unplug()
        elif happens == "moved":
            rooms.control("move-source-output", recording(rooms), "other.monitor")
        else:
            rooms.control("set-default-source", "other.monitor")
        gap = hearing.until_event("gap")
        assert gap.reason == "the sound server went over from machine.monitor to other.monitor"
        before = len(hearing.blocks)
        if happens == "unplugged":
            time.sleep(2.5)
            assert len(hearing.blocks) == before  # the other is opened again and again, and never heard
            rooms.plug()
            rooms.play_ours()
        resumed = hearing.until_event("resumed")
        hearing.until_more(5)
    assert [event.event for event in hearing.events] == ["gap", "resumed"]
    assert loudest(hearing.blocks) < 2 * OURS
    last, first = hearing.blocks[before - 1], hearing.blocks[before]
    heard_until_s = last.start_s + len(last.samples) / last.rate_hz
    assert gap.start_s == pytest.approx(heard_until_s, abs=1e-3)
    assert resumed.start_s == pytest.approx(first.start_s, abs=1e-3)
    assert resumed.duration_s == pytest.approx(first.start_s - heard_until_s, abs=2e-3)


def test_several_microphones_of_a_server_are_told_apart(rooms: Any) -> None:
    """One connection asks for all of them: what happens to one is not told of another."""
    with Path(rooms.environment["HOME"], ".asoundrc").open("a") as settings:
        settings.write("pcm.other { type pulse  device other.monitor  hint { show on } }\n")
    with Hearing("mic") as ours, Hearing("other") as other:
        ours.until_more(3)
        other.until_more(3)
        assert rooms.control("list", "clients").stdout.count('application.name = "asd-edge"') == 1
        rooms.unplug()
        ours.until_event("gap")
        other.until_more(5)
    assert other.events == []
    assert loudest(other.blocks) > 2 * OURS
    assert loudest(ours.blocks) < 2 * OURS


def test_a_recording_from_hardware_needs_no_watch() -> None:
    assert follow([], 1) is None


def loudest(blocks: list[Block]) -> float:
    return max(float(np.abs(block.samples).max()) for block in blocks)
