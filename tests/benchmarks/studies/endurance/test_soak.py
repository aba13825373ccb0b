"""A day of sound: that memory is looked at when it should be, and does not grow."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from linear_model import write_linear_model

from asd_edge.benchmarks.probes.sounds import machine_sound
from asd_edge.benchmarks.studies.endurance.soak import GROWTH_TARGET, Endless, SoakSettings, hear, soak
from asd_edge.calibration.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


@pytest.fixture(scope="module")
def trivial_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One product with a matrix: what is looked at is the memory of all else."""
    return str(write_linear_model(tmp_path_factory.mktemp("model") / "linear.onnx"))


def test_repeated_sound_is_one_recording_that_goes_on() -> None:
    samples = machine_sound(3.0)
    blocks = list(Endless(samples, 16_000, 7.0).sound(threading.Event()))
    assert [block.start_s for block in blocks] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert [block.last for block in blocks] == [False] * 6 + [True]
    assert {block.recording.id for block in blocks} == {"repeated sound"}
    np.testing.assert_array_equal(np.concatenate([block.samples[:, 0] for block in blocks[3:6]]), samples)


@pytest.mark.long
def test_memory_does_not_grow_in_a_day_of_sound(trivial_model: str) -> None:
    report = hear(SoakSettings(model=trivial_model))
    assert report.windows == 24 * 360
    expected_s = [600.0, *(3600.0 * hours for hours in (4, 8, 12, 16, 20, 24))]
    assert [heard_s for heard_s, _ in report.resident] == pytest.approx(expected_s, abs=10.0)
    assert report.growth < GROWTH_TARGET


@pytest.mark.long
def test_memory_does_not_grow_with_sound_that_is_resampled(capsys: pytest.CaptureFixture[str]) -> None:
    """By the default model, for half an hour of its windows of 10 s."""
    soak(SoakSettings(hours=0.5, rate_hz=48_000))
    shown = capsys.readouterr().out
    assert "\n180 windows in " in shown
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("| ")][1:] == ["0.17", "0.50"]
    assert "(target at most 1.05: met)" in shown


def test_less_than_ten_minutes_say_nothing() -> None:
    with pytest.raises(InputError, match="--hours is out of its bounds"):
        SoakSettings(hours=0.1)
