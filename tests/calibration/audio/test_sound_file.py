"""Sound files that cannot be used are refused by name, with what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import SoundError

SECOND = 16_000


def write(path: Path, samples: NDArray[np.float64], rate_hz: int = SECOND) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.zeros(SECOND // 2), "too short"),
        (np.array([0.1] * SECOND + [np.nan]), "not numbers"),
        (np.zeros(0), "holds no sound"),
    ],
)
def test_clips_that_cannot_be_used(tmp_path: Path, samples: NDArray[np.float64], what: str) -> None:
    path = write(tmp_path / "clip.wav", samples)
    with pytest.raises(SoundError, match=what) as raised:
        read_windows(path, SECOND)
    assert str(path) in raised.value.got


def test_a_truncated_clip_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", np.zeros(2 * SECOND))
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(SoundError, match="truncated"):
        read_windows(path, SECOND)
    with pytest.raises(SoundError, match="cannot be read"):
        read_windows(tmp_path / "missing.wav", SECOND)
