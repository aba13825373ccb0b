"""Clips of a data set that cannot be used."""

from __future__ import annotations

import pytest

from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.errors import SoundError


def damage() -> SoundError:
    return SoundError("The sound file holds no sound.", got="a.wav", valid="sound", next_step="record it again")


def test_the_first_damaged_clip_stops_and_says_how_to_go_on() -> None:
    damaged, error = DamagedClips(skip=False), damage()
    with pytest.raises(SoundError) as raised:
        damaged.add(error)
    assert raised.value is error
    assert error.next_step == "record it again; or leave such clips out with --skip-damaged"
    assert damaged.count == 0


def test_damaged_clips_are_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "asd_edge")
    damaged = DamagedClips(skip=True)
    damaged.add(damage())
    damaged.add(damage())
    assert damaged.count == 2
    assert caplog.messages == ["left out: a.wav: The sound file holds no sound."] * 2
