"""Which channel of a sound is heard."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from asd_edge.calibration.audio.channels import Channel, parse_channel, select_channel
from asd_edge.calibration.errors import SoundError


def test_channels_in_text() -> None:
    assert [parse_channel(text) for text in ("1", "12", "mix")] == [1, 12, "mix"]


@pytest.mark.parametrize("text", ["0", "-1", "left", "1.5", "", "²"])
def test_channels_that_cannot_be(text: str) -> None:
    with pytest.raises(SoundError, match="no such channel"):
        parse_channel(text)


@pytest.mark.parametrize(("channel", "expected"), [(1, [0.0, 1.0]), (2, [0.5, -1.0]), ("mix", [0.25, 0.0])])
def test_one_channel_or_the_mean_of_all(channel: Channel, expected: list[float]) -> None:
    found = select_channel(np.array([[0.0, 0.5], [1.0, -1.0]], np.float32), channel, "mic")
    assert (found.tolist(), found.dtype) == (expected, np.float32)


def test_a_missing_channel_is_named() -> None:
    with pytest.raises(SoundError, match="no such channel") as raised:
        select_channel(np.zeros((3, 2), np.float32), 3, "mic")
    assert (raised.value.got, raised.value.valid) == ("channel 3 of mic", "1 to 2, or mix")


def test_command_lines_can_read_it_without_loading_numpy() -> None:
    program = "import sys, asd_edge.calibration.audio.channels; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
