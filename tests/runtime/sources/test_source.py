"""What every source promises, and what is refused of one that comes from elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documented_example import run_example

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.runtime import (
    Block,
    EnrollSettings,
    Event,
    FileSource,
    Machine,
    Model,
    SimulatedMachine,
    Source,
    SourceRequest,
    enroll,
    listen,
    new_recording,
)
from asd_edge.runtime.sources import source as source_module
from asd_edge.runtime.sources.source import Tapped

SECOND = np.zeros((16_000, 1), np.float32)


class Hum(Source):
    """The least that a source needs."""

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        yield Block(SECOND, 16_000, new_recording(self.name), 0.0)


def test_a_source_need_only_give_sound() -> None:
    hum = Hum()
    assert (hum.name, hum.live, hum.duration_s, hum.longest_s, hum.late_blocks) == (
        "sound",
        False,
        float("inf"),
        float("inf"),
        0,
    )
    assert len(list(hum.sound(threading.Event()))) == 1


def test_a_tapped_source_is_the_same_source() -> None:
    class Halting(Hum):
        name, live, duration_s = "halting", True, 90.0
        late_blocks, longest_s = 2, 30.0

    source = Halting()
    tapped = Tapped(source, lambda sound: sound)
    for tells in ("name", "live", "duration_s", "longest_s", "late_blocks"):
        assert getattr(tapped, tells) == getattr(source, tells)
    source.late_blocks = 3  # type: ignore[misc]
    assert tapped.late_blocks == 3


def test_recordings_of_one_source_are_told_apart() -> None:
    first, second = new_recording("pump"), new_recording("pump")
    assert first.source == second.source == "pump"
    assert first.id != second.id


@pytest.mark.parametrize(
    ("samples", "rate_hz", "got"),
    [
        (np.zeros((16_000, 1)), 16_000, "pump: float64 of shape (16000, 1)"),
        (np.zeros(16_000, np.float32), 16_000, "pump: float32 of shape (16000,)"),
        ([[0.0]], 16_000, "pump: list"),
        (SECOND, 0, "pump: 0"),
        (SECOND, 16_000.0, "pump: 16000.0"),
        (SECOND, None, "pump: None"),
    ],
)
def test_a_block_that_cannot_be_used_names_its_source(samples: Any, rate_hz: Any, got: str) -> None:
    with pytest.raises(SoundError, match="cannot be used") as error:
        Block(samples, rate_hz, new_recording("pump"), 0.0)
    assert error.value.got == got


@pytest.mark.parametrize("given", ["recording.wav", None, Hum])
def test_what_is_no_source_is_refused(given: Any, short_model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="enroll cannot use this value of source") as refused:
        enroll(given, short_model, EnrollSettings(tmp_path / "bank.npz"))
    assert "FileSource" in refused.value.next_step
    with pytest.raises(InputError, match="Machine cannot use this value of source"):
        Machine(given, short_model, None)  # type: ignore[arg-type]


def test_a_source_that_gives_something_else_is_named(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    """What does not hold together is an error of that source, and other machines are listened to all the same."""

    class Odd(Source):
        name = "odd"

        def __init__(self, *items: Any) -> None:
            self.items = items

        def sound(self, stop: threading.Event) -> Iterator[Any]:
            yield from self.items

    bank: Bank = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz")).bank
    recording = new_recording("odd")
    second = Block(SECOND, 16_000, recording, 0.0)
    for source, message in (
        (Odd(SECOND), "neither a block nor an event"),
        (Odd(second, Block(SECOND, 8000, recording, 1.0)), "changes its rate"),
    ):
        good = Machine(FileSource(machine_wav), short_model, bank, name="good")
        heard = []
        with pytest.raises(InputError, match=message) as error:
            heard.extend(listen([Machine(source, short_model, bank, name="odd"), good]))
        assert "odd" in error.value.got
        assert sum(item.machine == "good" and not isinstance(item, Event) for item in heard) == 12


def test_a_simulated_machine_can_have_no_end_and_its_own_pace() -> None:
    """An endless one begins as one with an end does; a lower bound of the time, as the host may be busy."""
    stop, began = threading.Event(), time.monotonic()
    blocks = []
    for block in SimulatedMachine(seed=3, live=True).sound(stop):
        blocks.append(block)
        if len(blocks) == 2:
            stop.set()
    assert time.monotonic() - began >= 1.95
    expected = list(SimulatedMachine(2.0, seed=3).sound(threading.Event()))
    for found, block in zip(blocks, expected, strict=True):
        np.testing.assert_array_equal(found.samples, block.samples)
    assert [block.last for block in blocks] == [False, False]
    assert [block.last for block in expected] == [False, True]


def test_the_example_of_the_documentation_works() -> None:
    tone = run_example(source_module, "open_tone")(SourceRequest("tone", "hz=1000"))
    assert isinstance(tone, Source)
    assert tone.name == "tone of 1000 Hz"
    stop = threading.Event()
    blocks = []
    for block in tone.sound(stop):
        blocks.append(block)
        if len(blocks) == 3:
            stop.set()
    assert [block.start_s for block in blocks] == [0.0, 1.0, 2.0]
    spectrum = np.abs(np.fft.rfft(np.concatenate([block.samples[:, 0] for block in blocks])))
    assert spectrum.argmax() == 3000
