"""Sound files: every format and rate that a recorder may write, and every way in which a file may be broken."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd_edge.calibration.errors import SoundError
from asd_edge.runtime import FileSource
from asd_edge.runtime.sources.flac_recorder import FlacRecorder
from asd_edge.runtime.sources.source import Block


def tone(seconds: float, rate_hz: int, channels: int = 1) -> Any:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.tile(0.4 * np.sin(2 * np.pi * 300 * t)[:, None], (1, channels))


def heard(*paths: Path) -> list[Block]:
    return list(FileSource(paths).sound(threading.Event()))


@pytest.mark.parametrize(
    ("name", "rate_hz", "channels", "subtype", "tolerance"),
    [
        ("a.wav", 8000, 1, "PCM_16", 1e-4),
        ("a.wav", 44_100, 2, "PCM_24", 1e-6),
        ("a.wav", 96_000, 8, "FLOAT", 1e-7),
        ("a.wav", 16_000, 1, "PCM_U8", 1e-2),
        ("a.flac", 48_000, 2, "PCM_24", 1e-6),
        ("a.ogg", 44_100, 1, "VORBIS", 5e-2),
    ],
)
def test_formats(tmp_path: Path, name: str, rate_hz: int, channels: int, subtype: str, tolerance: float) -> None:
    expected = tone(2.5, rate_hz, channels)
    soundfile.write(tmp_path / name, expected, rate_hz, subtype=subtype)
    blocks = heard(tmp_path / name)
    assert {block.rate_hz for block in blocks} == {rate_hz}
    found = np.concatenate([block.samples for block in blocks])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=tolerance)
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]


def test_a_folder_is_read_in_name_order_and_files_are_told_apart_by_content(tmp_path: Path) -> None:
    for name, seconds in (("b.wav", 2), ("a.flac", 1), ("c.WAV", 2)):
        soundfile.write(tmp_path / name, tone(seconds, 16_000), 16_000, format=name[2:].upper())
    (tmp_path / "notes.txt").write_text("not sound")
    blocks = heard(tmp_path)
    sources = list(dict.fromkeys(Path(block.recording.source).name for block in blocks))
    assert sources == ["a.flac", "b.wav", "c.WAV"]
    ids = [block.recording.id for block in blocks if block.last]
    assert ids[1] == ids[2] != ids[0]  # b and c hold the same sound


def _wav(path: Path) -> bytes:
    soundfile.write(path, tone(2, 16_000), 16_000)
    return path.read_bytes()


def _truncated(path: Path, name: str, subtype: str | None = None) -> Path:
    whole = path / name
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000)
    soundfile.write(whole, noise, 16_000, subtype=subtype)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return whole


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    """libsndfile itself reads what there is without a word."""
    for name in ("a.wav", "a.flac", "a.ogg"):
        with pytest.raises(SoundError, match=r"truncated|damaged") as error:
            heard(_truncated(tmp_path, name))
        assert name in error.value.got


def test_a_flac_file_whose_recorder_died_is_read_as_far_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "open.flac"
    samples = np.random.default_rng(0).normal(0, 0.1, 64_000)
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        file.write(samples)
        file.flush()
        content = path.read_bytes()
    path.write_bytes(content)
    found = np.concatenate([block.samples for block in heard(path)])[:, 0]
    assert len(found) == 64_000 // 4096 * 4096  # the encoder holds the frame that is not full
    np.testing.assert_allclose(found, samples[: len(found)], atol=1e-4)


def test_a_wav_that_was_written_into_a_pipe_is_read(tmp_path: Path) -> None:
    """Such recorders do not know the length and announce the largest there is."""
    content = bytearray(_wav(tmp_path / "a.wav"))
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    assert sum(len(block.samples) for block in heard(tmp_path / "a.wav")) == 32_000


def test_values_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    samples = tone(2, 16_000)
    samples[20_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(SoundError, match=r"not numbers, at 1\.0 s"):
        heard(tmp_path / "nan.wav")


@pytest.mark.parametrize("content", [b"", b"this is text, not sound", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SoundError, match="cannot be read as sound"):
        heard(tmp_path / "a.wav")


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16_000)
    with pytest.raises(SoundError, match="holds no sound"):
        heard(tmp_path / "a.wav")


def test_missing_paths_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="no such sound file"):
        heard(tmp_path / "nothing.wav")
    with pytest.raises(SoundError, match="holds no sound files"):
        heard(tmp_path)


def test_realtime_takes_as_long_as_the_sound(tmp_path: Path) -> None:
    """A lower bound only: a loaded machine may take longer, never shorter."""
    soundfile.write(tmp_path / "a.wav", tone(1.0, 16_000), 16_000)
    began = time.monotonic()
    blocks = list(FileSource([tmp_path / "a.wav"], realtime=True).sound(threading.Event()))
    assert time.monotonic() - began >= 0.95
    assert len(blocks) == 2


def test_kept_audio_is_cut_into_minutes_and_stays_the_same(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (150 * 8000, 2))
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="PCM_24")
    kept = FlacRecorder(tmp_path / "kept", 2)
    passed = list(kept.keep(FileSource([tmp_path / "a.wav"]).sound(threading.Event())))
    assert len(passed) == 150
    files = sorted((tmp_path / "kept").iterdir())
    assert files == kept.files
    assert [soundfile.info(file).frames for file in files] == [480_000, 480_000, 240_000]
    np.testing.assert_allclose(np.concatenate([soundfile.read(file)[0] for file in files]), samples[:, 1], atol=2e-7)
