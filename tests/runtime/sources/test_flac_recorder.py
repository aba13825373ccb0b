"""Kept audio: whole files alone are seen, no file takes the place of another, and the folder stays usable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import FileSource
from asd_edge.runtime.sources import flac_recorder
from asd_edge.runtime.sources.flac_recorder import UNFINISHED, FlacRecorder
from asd_edge.runtime.sources.source import Block

RATE_HZ = 8000


def blocks(samples: NDArray[np.float64], recording: str = "r") -> Iterator[Block]:
    """The sound second by second."""
    for start in range(0, len(samples), RATE_HZ):
        piece = samples[start : start + RATE_HZ].astype(np.float32)
        yield Block(piece, RATE_HZ, Recording(recording, "mic"), start / RATE_HZ)


def noise(seconds: float, channels: int = 1, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (int(seconds * RATE_HZ), channels))


def kept(files: list[Path]) -> NDArray[np.float64]:
    return np.concatenate([soundfile.read(file)[0] for file in files])


def test_kept_audio_is_cut_into_minutes_and_stays_the_same(tmp_path: Path) -> None:
    samples = noise(150, channels=2)
    recorder = FlacRecorder(tmp_path / "kept", 2)
    assert len(list(recorder.keep(blocks(samples)))) == 150
    files = sorted((tmp_path / "kept").iterdir())
    assert files == recorder.files
    assert [soundfile.info(file).frames for file in files] == [480_000, 480_000, 240_000]
    np.testing.assert_allclose(kept(files), samples[:, 1], atol=2e-7)


def test_a_file_is_hidden_until_it_is_whole(tmp_path: Path) -> None:
    recorder = FlacRecorder(tmp_path, 1)
    passed = recorder.keep(blocks(noise(70)))
    for _ in range(30):
        next(passed)
    (hidden,) = tmp_path.iterdir()
    assert hidden.name.startswith(".")
    assert hidden.name.endswith(UNFINISHED)
    for _ in range(35):
        next(passed)
    assert [file.name for file in FileSource(tmp_path).files] == [recorder.files[0].name]
    list(passed)
    assert sorted(tmp_path.iterdir()) == recorder.files
    assert len(recorder.files) == 2


def test_recorders_of_the_same_second_keep_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two enrolments into one folder, and a clock that was set back."""

    class Stopped:
        @staticmethod
        def now(_: object) -> Stopped:
            return Stopped()

        @staticmethod
        def strftime(_: str) -> str:
            return "20250101T000000Z"

    monkeypatch.setattr(flac_recorder, "datetime", Stopped)
    sounds = [noise(130, seed=seed) for seed in range(3)]
    recorders = [FlacRecorder(tmp_path, 1) for _ in sounds]
    passing = [recorder.keep(blocks(sound)) for recorder, sound in zip(recorders[:2], sounds[:2], strict=True)]
    for _ in range(130):  # two at once
        for each in passing:
            next(each)
    for each in passing:
        assert next(each, None) is None
    list(recorders[2].keep(blocks(sounds[2])))  # and one after them
    for recorder, sound in zip(recorders, sounds, strict=True):
        np.testing.assert_allclose(kept(recorder.files), sound[:, 0], atol=2e-7)
    assert len(list(tmp_path.iterdir())) == 9


_ENDLESS = f"""
import itertools, resource, signal, sys, time
from pathlib import Path
import numpy as np
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.sources.flac_recorder import FlacRecorder
from asd_edge.runtime.sources.source import Block
rng = np.random.default_rng(0)
noise = (rng.uniform(-0.9, 0.9, ({RATE_HZ}, 1)).astype(np.float32) for _ in itertools.count())
sound = (Block(each, {RATE_HZ}, Recording("r", "mic"), 0.0) for each in noise)
passing = FlacRecorder(Path(sys.argv[1]), 1).keep(sound)
"""
"""A process that keeps noise without an end."""


def test_what_a_kill_leaves_is_named_and_the_folder_stays_usable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = _ENDLESS + "for _ in range(99): next(passing)\nprint('heard', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "heard\n"
        process.kill()
    (whole,) = (file for file in tmp_path.iterdir() if not file.name.startswith("."))
    (left,) = (file for file in tmp_path.iterdir() if file.name.startswith("."))
    caplog.set_level("INFO", "asd_edge")
    assert FileSource(tmp_path).duration_s == 60.0
    assert caplog.messages == [
        f"left out: {left}: it is not finished (it can be heard when it is renamed to end in .flac)"
    ]
    assert FlacRecorder(tmp_path, 1).files == []
    left.rename(tmp_path / "rest.flac")
    assert 38.0 < FileSource(tmp_path / "rest.flac").duration_s < 39.0
    assert sorted(FileSource(tmp_path).files) == sorted([whole, tmp_path / "rest.flac"])


def test_what_is_too_short_for_any_window_is_not_kept(tmp_path: Path) -> None:
    recorder = FlacRecorder(tmp_path, 1)
    list(recorder.keep(blocks(noise(0.5))))
    assert recorder.files == []
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_and_nothing_cut_is_seen(tmp_path: Path) -> None:
    """The limit of a file's size stands for the end of the disk: the system call fails in the same way."""
    script = _ENDLESS + (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "try:\n    for _ in passing: pass\n"
        "except InputError as error:\n    print(error.what)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Cannot keep the sound: ")
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot make the folder"):
        FlacRecorder(tmp_path / "file", 1)
