"""Sound files: every format and rate that a recorder may write, and every way in which a file may be broken."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import odd_sounds
import pytest
import soundfile
from program import Run

from asd_edge.calibration.errors import SoundError
from asd_edge.runtime import FileSource
from asd_edge.runtime.sources import piped_sound
from asd_edge.runtime.sources.opening import open_source
from asd_edge.runtime.sources.source import Block, Event


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


def told(*paths: Path) -> list[tuple[str, str]]:
    """The events of files that cannot be used: the name of each and why."""
    items = FileSource(paths).sound(threading.Event())
    return [(Path(item.source).name, item.reason) for item in items if isinstance(item, Event)]


def test_files_of_a_folder_that_cannot_be_used_are_told_and_the_others_are_heard(tmp_path: Path) -> None:
    whole = _wav(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(whole[:20_000])
    (tmp_path / "c.wav").write_text("this is text, not sound")
    (tmp_path / "d.wav").symlink_to("nowhere.wav")
    (tmp_path / "e.wav").symlink_to("e.wav")
    soundfile.write(tmp_path / "f.wav", tone(0.5, 16_000), 16_000)
    (tmp_path / "g.wav").write_bytes(whole)
    items = list(FileSource(tmp_path).sound(threading.Event()))
    heard_of = dict.fromkeys(Path(item.recording.source).name for item in items if isinstance(item, Block))
    assert list(heard_of) == ["a.wav", "g.wav"]
    events = [item for item in items if isinstance(item, Event)]
    assert {event.event for event in events} == {"failed"}
    assert [(Path(event.source).name, event.reason) for event in events] == [
        ("b.wav", "The sound file is truncated: 64000 bytes of sound announced, 19956 there."),
        ("c.wav", "The sound file cannot be read as sound: it is of no kind that is known here."),
        ("d.wav", "The sound file cannot be read: No such file or directory."),
        ("e.wav", "The sound file cannot be read: Too many levels of symbolic links."),
        ("f.wav", "The recording is too short."),
    ]


def test_a_folder_without_any_usable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not sound")
    (tmp_path / "b.wav").write_text("nor this")
    with pytest.raises(SoundError, match="of no kind that is known"):
        FileSource(tmp_path)


def test_paths_among_several_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    _wav(tmp_path / "a.wav")
    (tmp_path / "empty").mkdir()
    assert told(tmp_path / "empty", tmp_path / "gone.wav", tmp_path / "a.wav") == [
        ("empty", "The folder holds no sound files."),
        ("gone.wav", "There is no such sound file or folder."),
    ]


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        _wav(tmp_path / name)
    source = FileSource(tmp_path)
    (tmp_path / "a.wav").unlink()
    items = list(source.sound(threading.Event()))
    assert [item.reason for item in items if isinstance(item, Event)] == [
        "The sound file cannot be read: No such file or directory."
    ]
    assert sum(len(item.samples) for item in items if isinstance(item, Block)) == 32_000


def test_a_file_that_is_damaged_in_its_middle_is_heard_up_to_there_and_told(tmp_path: Path) -> None:
    whole = _wav(tmp_path / "b.wav")
    samples = tone(3, 16_000)
    samples[40_000] = np.inf
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    items = list(FileSource(tmp_path).sound(threading.Event()))
    event = next(item for item in items if isinstance(item, Event))
    assert (event.start_s, event.reason) == (2.0, "The sound file holds values that are not numbers, at 2.0 s.")
    assert sum(len(item.samples) for item in items if isinstance(item, Block)) == 32_000 + (len(whole) - 44) // 2


def test_hidden_files_and_what_is_no_file_are_no_sound(tmp_path: Path) -> None:
    whole = _wav(tmp_path / "a.wav")
    (tmp_path / "._a.wav").write_bytes(whole[:400])
    (tmp_path / ".b.wav").write_bytes(whole)
    (tmp_path / "c.wav").mkdir()
    os.mkfifo(tmp_path / "d.wav")
    assert [file.name for file in FileSource(tmp_path).files] == ["a.wav"]
    assert FileSource(tmp_path / ".b.wav").duration_s == 2.0  # whoever names it means it


def test_sound_of_other_kinds_is_not_left_out_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _wav(tmp_path / "a.wav")
    for name in ("b.mp3", "c.opus", "d.txt", ".e.mp3"):
        (tmp_path / name).write_bytes(odd_sounds.sound("mp3"))
    caplog.set_level("INFO", "asd_edge")
    assert [file.name for file in FileSource(tmp_path).files] == ["a.wav"]
    assert caplog.messages == [f"left out: 2 sound files of {tmp_path} that do not end in .wav, .flac, .ogg"]
    assert FileSource([tmp_path / "b.mp3"]).duration_s == 2.0


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    name = os.fsdecode(b"pump_\xe9.wav")
    try:
        _wav(tmp_path / "a.wav")
        (tmp_path / "a.wav").rename(tmp_path / name)
    except OSError:
        pytest.skip("the file system takes text alone")
    _wav(tmp_path / "z.wav")
    names = dict.fromkeys(block.recording.source for block in heard(tmp_path))
    assert list(names) == [f"{tmp_path}/pump_\\xe9.wav", f"{tmp_path}/z.wav"]
    (tmp_path / name).write_text("no sound")
    assert told(tmp_path) == [
        ("pump_\\xe9.wav", "The sound file cannot be read as sound: it is of no kind that is known here.")
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
        ("a\0b", "null (byte|character)"),
    ],
)
def test_paths_that_no_file_can_have(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SoundError, match=reason):
        FileSource(tmp_path / name)
    with pytest.raises(SoundError, match=reason):
        open_source(None, [str(tmp_path / name)], 1)


def test_devices_are_no_sound() -> None:
    with pytest.raises(SoundError, match="neither a file, a folder nor a pipe"):
        FileSource("/dev/null")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of somebody who is not root, and their rights for as long as the test runs."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            Path(folder).chmod(0o777)
            os.seteuid(65_534)
            try:
                yield Path(folder)
            finally:
                os.seteuid(0)
        else:
            yield Path(folder)


def test_a_folder_that_one_may_not_enter_is_told_and_the_others_are_heard(nobody: Path) -> None:
    (nobody / "locked").mkdir()
    _wav(nobody / "locked" / "a.wav")
    _wav(nobody / "open.wav")
    _wav(nobody / "secret.wav")
    (nobody / "locked").chmod(0)
    (nobody / "secret.wav").chmod(0)
    assert told(nobody / "locked", nobody / "open.wav", nobody / "secret.wav") == [
        ("locked", "The path cannot be opened as sound: Permission denied."),
        ("secret.wav", "The sound file cannot be read: Permission denied."),
    ]
    with pytest.raises(SoundError, match="Permission denied"):
        FileSource(nobody / "locked")
    (nobody / "locked").chmod(0o700)


@pytest.mark.parametrize("ending", ["wav", "flac", "vorbis.ogg", "mp3", "aiff"])
def test_sound_comes_through_a_pipe(tmp_path: Path, ending: str) -> None:
    """A decoder that moves about in a file cannot do so in a pipe."""
    (tmp_path / "file").write_bytes(odd_sounds.sound(ending))
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[(tmp_path / "file").read_bytes()])
    writer.start()
    piped, filed = heard(tmp_path / "pipe"), heard(tmp_path / "file")
    writer.join()
    assert [block.recording.id for block in piped] == [block.recording.id for block in filed]
    assert {block.recording.source for block in piped} == {str(tmp_path / "pipe")}
    np.testing.assert_array_equal(*(np.concatenate([block.samples for block in each]) for each in (piped, filed)))


def test_a_pipe_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piped_sound, "MOST_BYTES", 1 << 20)
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            while True:
                pipe.write(bytes(1 << 16))

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(SoundError, match="More comes out of the pipe than is kept"):
        FileSource(tmp_path / "pipe")
    writer.join()


def test_the_program_scores_what_a_shell_pipes_into_it(
    program: Path, short_model_path: Path, machine_wav: Path, tmp_path: Path, run_main: Run
) -> None:
    bank = tmp_path / "bank.npz"
    options = ["--bank", bank, "--model", short_model_path, "--hop", "1"]
    assert run_main("enroll", *options, "--input", machine_wav).returncode == 0
    score = shlex.join(map(str, [program, "score", *options]))
    wav = shlex.quote(str(machine_wav))
    for command in (f"cat {wav} | {score} /dev/stdin", f"{score} <(cat {wav})", f"{score} /dev/stdin < {wav}"):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "120 windows scored" in done.stdout


def test_a_missing_channel_is_told_for_each_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(2, 16_000), 16_000)
    soundfile.write(tmp_path / "b.wav", tone(2, 16_000, channels=2), 16_000)
    source = FileSource(tmp_path, channel=2)
    assert [file.name for file in source.files] == ["b.wav"]
    with pytest.raises(SoundError, match="no such channel"):
        FileSource(tmp_path, channel=3)
