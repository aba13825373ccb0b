"""What a sound file announces, what is in it and what the decoder gives are compared, for every container."""

from __future__ import annotations

import contextlib
import os
import struct
import time
from pathlib import Path

import numpy as np
import odd_sounds
import pytest
import soundfile
from odd_sounds import FORMATS, FRAMES, RATE_HZ, flac_without_length, noise, patched, sound

from asd_edge.calibration.audio.sound_file import SoundFile
from asd_edge.calibration.errors import SoundError

ODD = dict(odd_sounds.odd())
WITHOUT_LENGTH = dict(odd_sounds.without_length())


def read(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    with SoundFile(path) as opened:
        found = np.concatenate(list(opened.blocks(10_000)))
        assert len(found) == opened.frames
    return found


@pytest.mark.parametrize("ending", FORMATS)
def test_half_a_file_is_refused_as_truncated(ending: str, tmp_path: Path) -> None:
    content = sound(ending)
    assert len(read(tmp_path / ending, content)) == FRAMES
    with pytest.raises(SoundError, match="is truncated") as raised:
        read(tmp_path / ending, content[: len(content) // 2])
    assert raised.value.got == str(tmp_path / ending)


@pytest.mark.parametrize("ending", FORMATS)
def test_all_streams_of_a_chain_are_read(ending: str, tmp_path: Path) -> None:
    content = sound(ending)
    once = read(tmp_path / ending, content)
    twice = read(tmp_path / ending, content + content)
    np.testing.assert_array_equal(twice, np.concatenate([once, once]))
    with pytest.raises(SoundError, match=r"is truncated.*\(stream 3 of 3\)"):
        read(tmp_path / ending, content + content + content[: len(content) // 2])


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_whole(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "asd_edge")
    assert len(read(tmp_path / "a.wav", ODD[name])) == FRAMES
    assert not caplog.messages


@pytest.mark.parametrize("name", WITHOUT_LENGTH)
def test_what_has_no_length_is_read_to_the_end(name: str, tmp_path: Path) -> None:
    np.testing.assert_allclose(read(tmp_path / "a.wav", WITHOUT_LENGTH[name]), noise(), atol=1e-4)


def test_a_wav_file_that_announces_more_is_truncated(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="is truncated: 64002 bytes of sound announced, 64000 there"):
        read(tmp_path / "a.wav", odd_sounds.wav(64_002))


def test_sound_behind_the_announced_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "asd_edge")
    assert len(read(tmp_path / "a.wav", odd_sounds.wav(32_000))) == 16_000
    assert caplog.messages == [
        f"{tmp_path / 'a.wav'}: 32000 bytes behind the sound are of an unknown kind and not read."
    ]


def test_a_second_chunk_of_sound_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "asd_edge")
    content = sound("wav")
    assert len(read(tmp_path / "a.wav", content + content[36:])) == FRAMES
    assert [message.partition(": ")[2][:27] for message in caplog.messages] == ["64008 bytes behind the soun"]
    with pytest.raises(SoundError, match="holds no sound"):
        read(tmp_path / "a.wav", sound("wav", 0) + content[36:])


def test_an_empty_file_with_chunks_behind_holds_no_sound(tmp_path: Path) -> None:
    empty = sound("wav", 0) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(SoundError, match="holds no sound"):
        read(tmp_path / "a.wav", empty)


def test_an_mp3_file_without_an_announcement_is_read_to_the_end(tmp_path: Path) -> None:
    """The decoder guesses the length by the first frame, which is less than half of it here."""
    content, frames = odd_sounds.mp3_without_announcement()
    path = tmp_path / "a.mp3"
    found = len(read(path, content))
    delay = 529  # the decoder's own, by which its sound comes late; it drops that
    assert found == frames * 576 - delay
    with pytest.raises(SoundError, match=r"too short|holds no sound|cannot be read"):
        read(path, content[:100])


def test_a_flac_file_whose_recorder_died_is_read_to_its_last_whole_frame(tmp_path: Path) -> None:
    content = flac_without_length(sound("flac"))
    found = read(tmp_path / "a.flac", content[: len(content) // 2])
    assert len(found) == 3 * 4096  # libFLAC's frames
    np.testing.assert_allclose(found, noise()[: len(found)], atol=1e-4)


def test_a_missing_page_of_an_ogg_file_is_told(tmp_path: Path) -> None:
    content = sound("vorbis.ogg")
    pages = [at for at in range(len(content)) if content[at : at + 4] == b"OggS"]
    with pytest.raises(SoundError, match="a page is missing"):
        read(tmp_path / "a.ogg", content[: pages[-2]] + content[pages[-1] :])


@pytest.mark.parametrize("ending", ["vorbis.ogg", "opus.ogg"])
def test_a_wrong_bit_in_an_ogg_file_is_told(ending: str, tmp_path: Path) -> None:
    """The decoder leaves out the page, without a word."""
    content = sound(ending)
    at = content.rindex(b"OggS") - 1000
    with pytest.raises(SoundError, match="the checksum of a page is wrong"):
        read(tmp_path / "a.ogg", patched(content, at, bytes([content[at] ^ 1])))


def test_a_wav_file_from_a_pipe_may_be_longer_than_its_header_can_say(tmp_path: Path) -> None:
    """Four hours and more of a studio's microphone; most of it is a hole here."""
    path = tmp_path / "a.wav"
    path.write_bytes(odd_sounds.wav(0xFFFFFFFF))
    with path.open("r+b") as file:
        file.truncate(5 << 30)
    with SoundFile(path) as opened:
        assert opened.frames == ((5 << 30) - 44) // 2
        np.testing.assert_allclose(next(opened.blocks(FRAMES)), noise(), atol=1e-4)


def test_an_mp3_file_that_announces_in_another_way_is_whole(tmp_path: Path) -> None:
    """The decoder does not know this announcement, and guesses."""
    content, frames = odd_sounds.mp3_without_announcement()
    announced = odd_sounds.vbri(content, frames)
    assert len(read(tmp_path / "a.mp3", announced + content)) == frames * 576 - 529
    with pytest.raises(SoundError, match=f"is truncated: {frames} frames announced, 29 there"):
        read(tmp_path / "a.mp3", announced + content[: len(content) // 2])


def test_streams_of_several_forms_are_refused(tmp_path: Path) -> None:
    content = sound("flac") + sound("flac", rate_hz=8000, channels=2)
    with pytest.raises(SoundError, match="streams of several forms, 2 channels at 8000 Hz and 1 channel at 16000 Hz"):
        read(tmp_path / "a.flac", content)


def _header(rate_hz: int, channels: int, announced: int = 4) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, 0, min(2 * channels, 65_535), 16)
    return b"RIFF" + struct.pack("<I", 36) + b"WAVE" + form + b"data" + struct.pack("<I", announced) + bytes(40_000)


@pytest.mark.parametrize("rate_hz", [0, 1, 999, 4_000_001, 2_000_000_000])
def test_rates_that_cannot_be_are_refused(rate_hz: int, tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"cannot be read as sound|not between 1000 and 4000000 Hz"):
        read(tmp_path / "a.wav", _header(rate_hz, 1, 40_000))


@pytest.mark.parametrize("rate_hz", [1000, 384_000, 4_000_000])
def test_rates_of_slow_and_fast_converters_are_read(rate_hz: int, tmp_path: Path) -> None:
    assert len(read(tmp_path / "a.wav", _header(rate_hz, 1, 40_000))) == 20_000


def test_no_more_is_decoded_at_once_than_there_is_room_for(tmp_path: Path) -> None:
    """A thousand channels at a high rate would take 16 GB for a second."""
    path = tmp_path / "a.wav"
    path.write_bytes(_header(4_000_000, 1000, 40_000))
    with SoundFile(path) as opened:
        assert (opened.channels, opened.frames) == (1000, 20)
    with soundfile.SoundFile(path, "w", 48_000, 1000) as written:
        for _ in range(5):
            written.write(np.zeros((1000, 1000), np.int16))
    with SoundFile(path) as opened:
        assert [block.shape for block in opened.blocks(48_000)] == [(4194, 1000), (806, 1000)]


@pytest.mark.parametrize("channels", [0, 1025, 65_535])
def test_more_channels_than_any_converter_has_are_refused(channels: int, tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="cannot be read as sound"):
        read(tmp_path / "a.wav", _header(16_000, channels, 40_000))


@pytest.mark.parametrize("ending", ["rf64", "w64", "caf", "flac"])
def test_480_gib_announced_take_no_memory(ending: str, tmp_path: Path) -> None:
    content, length = sound(ending), 480 << 30
    if ending == "flac":
        content = patched(content, 21, bytes([content[21] | 0xF]) + b"\xff\xff\xff\xff")
    elif ending == "rf64":
        content = patched(content, content.index(b"ds64") + 16, struct.pack("<Q", length))
    else:
        at, form = content.index(b"data") + (16 if ending == "w64" else 4), "<Q" if ending == "w64" else ">Q"
        content = patched(content, at, struct.pack(form, length))
    with pytest.raises(SoundError, match="is truncated"):
        read(tmp_path / ending, content)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"MATLAB 5.0 MAT-file", b"\xff\xfb", b"ID3\x04\0\0\x7f\x7f\x7f\x7f"]
)
def test_what_is_of_no_known_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="cannot be read as sound"):
        read(tmp_path / "a.wav", content)


def test_rate_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sound("wav"))
    with SoundFile(tmp_path / "a.wav") as opened:
        assert (opened.rate_hz, opened.channels) == (RATE_HZ, 1)


def test_mp3_streams_of_several_forms_are_refused(tmp_path: Path) -> None:
    """Frames that are whole but of another version follow each other: they are no rubbish to search through."""
    one, other = odd_sounds.mp3_without_announcement()[0], sound("mp3", rate_hz=44_100)
    with pytest.raises(
        SoundError, match=r"holds streams of several forms, 1 channel at 16000 Hz and 1 channel at 44100"
    ):
        read(tmp_path / "a.mp3", one + other)


@pytest.mark.parametrize(
    "content",
    [
        10 * (b"ID3\x04\0\0\0\0\0\0") * 100_000,
        b"Creative Voice File\x1a\x1a\0\x0a\1\x29\x11" + b"\5\0\0\0" * 1_000_000,
        b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 1_000_000,
        b"\xff\xf3\x40\xc0" * 500_000,
        sound("flac")[:5000] * 2000,
        sound("flac", 1000) * 1500,
        sound("wav", 10) * 20_000,
    ],
    ids=["tags", "voc", "chunks", "mp3", "flac", "small flac", "wav"],
)
def test_files_that_want_the_reader_to_be_busy_are_soon_done_with(content: bytes, tmp_path: Path) -> None:
    began = time.process_time()
    with contextlib.suppress(SoundError):
        read(tmp_path / "a.wav", content)
    assert time.process_time() - began < 5.0


def test_a_pipe_among_clips_does_not_wait_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(SoundError, match="cannot be read"):
        SoundFile(tmp_path / "a.wav")
    with pytest.raises(SoundError, match="cannot be read: Is a directory"):
        SoundFile(tmp_path)


def test_a_chain_of_large_flac_streams_is_read(tmp_path: Path) -> None:
    """Larger than what is looked through at once; and the decoder would find the last sample of either in the other."""
    frames = 3_000_000
    content = sound("flac", frames)
    assert len(content) > 5_000_000
    for whole in (content + content, flac_without_length(content) + content, content + flac_without_length(content)):
        (tmp_path / "a.flac").write_bytes(whole)
        with SoundFile(tmp_path / "a.flac") as opened:
            assert opened.frames == 2 * frames
    with pytest.raises(SoundError, match=r"is truncated: 3000000 samples announced, 14\d{5} there \(stream 2 of 2\)"):
        read(tmp_path / "a.flac", content + content[: len(content) // 2])
    with pytest.raises(SoundError, match="is truncated: 3000000 samples announced"):
        read(tmp_path / "a.flac", content[:-1])
