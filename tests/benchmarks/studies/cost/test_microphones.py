"""Many microphones: that what is counted adds up, not that this machine is fast."""

from __future__ import annotations

import sys
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from asd_edge.benchmarks.studies.cost.microphones import (
    MicrophonesSettings,
    SimulatedMicrophone,
    draw,
    prepare,
    serve,
    serve_more_and_more,
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")


def test_simulated_sound_goes_on_and_comes_when_it_was_recorded() -> None:
    samples = np.random.default_rng(0).normal(0.0, 0.1, (48_000, 2)).astype(np.float32)
    blocks = list(islice(SimulatedMicrophone(samples, "a", ahead_s=3600.0).sound(threading.Event()), 10))
    assert [block.start_s for block in blocks] == pytest.approx([0.2 * index for index in range(10)])
    assert {block.recording.id for block in blocks} == {"a"}
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks[:5]]), samples)
    stop = threading.Event()
    stop.set()
    assert list(SimulatedMicrophone(samples, "a").sound(stop)) == []


def test_every_window_is_scored_or_skipped(short_model_path: Path, tmp_path: Path) -> None:
    bank, sound = prepare(tmp_path, str(short_model_path))
    served = serve(3, bank, sound, str(short_model_path), hop_s=0.5, seconds=2.0, threads=1)
    assert served.microphones == 3
    assert served.windows_per_s > 0.0
    assert 0.0 <= served.least_served <= 1.0 - served.skipped <= served.most_served <= 1.0
    assert served.cores > 0.0
    assert served.memory.resident > 10e6
    draw({"short": [served]}, tmp_path / "figures" / "microphones.svg")
    assert (tmp_path / "figures" / "microphones.svg").read_text().count(">short</text>") == 2


@pytest.mark.long
def test_more_and_more_microphones(short_model_path: Path) -> None:
    served = list(serve_more_and_more(str(short_model_path), MicrophonesSettings(seconds=1.0, threads=1, most=2)))
    assert [each.microphones for each in served] == [1, 2][: len(served)]
