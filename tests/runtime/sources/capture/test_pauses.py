"""Pauses of our own: the program that listens, the process that records, or both are stopped, as by a busy computer.

Whatever the sound server has kept meanwhile is heard, and the time stays right.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd_edge.runtime.sources.capture.portaudio_process import BLOCK_S

pytestmark = pytest.mark.microphone

HEAR = """
import json, sys, threading
from asd_edge.runtime import Block, Microphone
from asd_edge.runtime.sources.capture import stream
import numpy as np
stream.QUEUE_BLOCKS = int(sys.argv[1])
for item in Microphone("mic").sound(threading.Event()):
    if isinstance(item, Block):
        length = len(item.samples)
        spectrum = np.abs(np.fft.rfft(item.samples[:, 0] * np.hanning(length), 8 * length))
        told = {
            "start_s": item.start_s,
            "end_s": item.start_s + length / item.rate_hz,
            "hz": int(spectrum.argmax()) * item.rate_hz / (8 * length),
            "recording": item.recording.id,
        }
    else:
        told = {"event": item.event, "start_s": item.start_s, "duration_s": item.duration_s, "reason": item.reason}
    print(json.dumps(told), flush=True)
"""
QUEUE_BLOCKS = 150
OUR_OWN = ("listener", "recorder", "both")
RIGHT_S = 0.05
SWEEP_S, BEGIN_HZ, HZ_PER_S = 80.0, 300.0, 200.0
"""What is played: a tone that rises, so that each piece of sound says itself when it was played."""


@pytest.fixture
def sweep(sound_server: Any, tmp_path: Path) -> Iterator[None]:
    at_s = np.arange(round(SWEEP_S * 44_100)) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * (BEGIN_HZ * at_s + HZ_PER_S * at_s**2 / 2))
    soundfile.write(tmp_path / "sweep.wav", np.stack([tone, tone], axis=1), 44_100, subtype="FLOAT")
    player = sound_server.play(tmp_path / "sweep.wav")
    yield
    player.kill()
    player.wait()


class Heard:
    """A program that hears the microphone, written to a file so that a full pipe holds nothing up."""

    def __init__(self, path: Path, queue_blocks: int = QUEUE_BLOCKS) -> None:
        self._path = path
        with path.open("w") as file:
            self._process = subprocess.Popen([sys.executable, "-c", HEAR, str(queue_blocks)], stdout=file)

    @property
    def items(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    @property
    def blocks(self) -> list[dict[str, Any]]:
        return [item for item in self.items if "event" not in item]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [item for item in self.items if "event" in item]

    def processes(self, who: str) -> list[int]:
        number = self._process.pid
        recorders = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return {"listener": [number], "recorder": [*map(int, recorders)], "both": [number, *map(int, recorders)]}[who]

    def until_blocks(self, count: int) -> None:
        deadline = time.monotonic() + 30.0
        while len(self.blocks) < count:
            assert time.monotonic() < deadline, self.items[-3:]
            time.sleep(0.05)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def send(number: signal.Signals, processes: Sequence[int]) -> None:
    for process in processes:
        os.kill(process, number)


def stopped(every: Sequence[list[int]], stop_s: float, go_s: float = 0.0, times: int = 1) -> None:
    """Stop processes and let them go on."""
    for _ in range(times):
        for processes in every:
            send(signal.SIGSTOP, processes)
        time.sleep(stop_s)
        for processes in every:
            send(signal.SIGCONT, processes)
        time.sleep(go_s)


def wrong_s(blocks: Sequence[dict[str, Any]]) -> float:
    """By how much the time of a block differs from when its sound was played, against the first blocks; the most."""
    played_s = np.array([(block["hz"] - BEGIN_HZ) / HZ_PER_S for block in blocks])
    told_s = np.array([(block["start_s"] + block["end_s"]) / 2 for block in blocks])
    difference_s = (told_s - played_s)[played_s > 0.2]  # before, the player had not begun
    return float(np.abs(difference_s - np.median(difference_s[:10])).max())


@pytest.mark.parametrize(
    ("stop_s", "go_s", "times"), [(5.0, 0.0, 1), (0.7, 0.3, 15)], ids=["five seconds", "stop and go"]
)
def test_nothing_is_lost_and_the_time_is_right(
    sweep: None, tmp_path: Path, stop_s: float, go_s: float, times: int
) -> None:
    """The server keeps twelve seconds of sound, the recording process thirty, and neither is given up before."""
    heard = {who: Heard(tmp_path / who) for who in OUR_OWN}
    try:
        for each in heard.values():
            each.until_blocks(10)
        processes = {who: each.processes(who) for who, each in heard.items()}
        before = {who: len(each.blocks) for who, each in heard.items()}
        stopped(list(processes.values()), stop_s, go_s, times)
        counted = {who: len(each.blocks) for who, each in heard.items()}
        for who, each in heard.items():
            each.until_blocks(max(before[who] + round(stop_s * times / 0.2), counted[who] + 10))
            assert each.events == []
            blocks = each.blocks
            assert len({block["recording"] for block in blocks}) == 1
            sound_s = sum(block["end_s"] - block["start_s"] for block in blocks)
            assert sound_s == pytest.approx(blocks[-1]["end_s"] - blocks[0]["start_s"], abs=RIGHT_S)
            assert wrong_s(blocks) < RIGHT_S
            assert each.processes(who) == processes[who]  # the recording process has survived
    finally:
        for each in heard.values():
            each.close()


def test_what_nobody_took_in_time_is_told_in_its_true_length(sweep: None, tmp_path: Path) -> None:
    """The recording process holds two seconds of sound here, and its pipe a little more."""
    heard = Heard(tmp_path / "heard", queue_blocks=10)
    try:
        heard.until_blocks(10)
        stopped([heard.processes("listener")], 6.0)
        heard.until_blocks(len(heard.blocks) + 30)
        (event,) = heard.events
        assert event["event"] == "overrun"
        assert "did not take it in time" in event["reason"]
        assert 3.0 < event["duration_s"] < 4.5
        blocks = heard.blocks
        (after,) = (n for n in range(1, len(blocks)) if blocks[n]["recording"] != blocks[n - 1]["recording"])
        hole_s = blocks[after]["start_s"] - blocks[after - 1]["end_s"]
        assert event["duration_s"] == pytest.approx(hole_s, abs=2e-3)
        assert event["start_s"] == pytest.approx(blocks[after - 1]["end_s"], abs=2e-3)
        assert wrong_s(blocks) < RIGHT_S
    finally:
        heard.close()


def test_a_server_that_keeps_no_more_is_told_in_its_true_length(sweep: None, tmp_path: Path) -> None:
    """PulseAudio keeps some twelve seconds for a process that does not take them."""
    heard = Heard(tmp_path / "heard")
    try:
        heard.until_blocks(10)
        stopped([heard.processes("recorder")], 15.0)
        heard.until_blocks(len(heard.blocks) + 65)
        (event,) = heard.events
        assert event["event"] == "gap"
        assert 0.2 < event["duration_s"] < 4.0  # it keeps up to fourteen of the fifteen
        blocks = heard.blocks
        sound_s = sum(block["end_s"] - block["start_s"] for block in blocks)
        span_s = blocks[-1]["end_s"] - blocks[0]["start_s"]
        assert sound_s + event["duration_s"] == pytest.approx(span_s, abs=RIGHT_S)
        assert wrong_s(blocks) < BLOCK_S  # the server may hold the sound behind the hole for longer or shorter
    finally:
        heard.close()
