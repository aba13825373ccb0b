"""A microphone that another program holds is named with its holder."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd_edge.runtime.sources.alsa_status import HeldMicrophone, held_microphones
from asd_edge.runtime.sources.portaudio_process import CaptureError, InputDevice, explain, match_device


def test_held_microphones_are_read_from_alsa_status_files(tmp_path: Path) -> None:
    """The files as the kernel writes them: a USB microphone in use, a webcam that is not, and a playing sound card."""
    (tmp_path / "asound").mkdir()
    (tmp_path / "asound" / "cards").write_text(
        " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n"
        "                      HDA Intel PCH at 0xdf340000 irq 130\n"
        " 1 [Device         ]: USB-Audio - USB PnP Sound Device\n"
        "                      C-Media Electronics Inc. USB PnP Sound Device at usb-0000:00:14.0-2, full speed\n"
        " 2 [Webcam         ]: USB-Audio - Full HD Webcam\n"
        "                      Full HD Webcam at usb-0000:00:14.0-3, high speed\n"
    )
    running = "state: RUNNING\nowner_pid   : 4711\ntrigger_time: 77.1\nhw_ptr      : 480\n"
    for card, stream, status in ((0, "pcm0p", running), (1, "pcm0c", running), (2, "pcm0c", "closed\n")):
        folder = tmp_path / "asound" / f"card{card}" / stream / "sub0"
        folder.mkdir(parents=True)
        (folder / "status").write_text(status)
        (folder / "info").write_text(f"card: {card}\ndevice: 0\nsubdevice: 0\nstream: CAPTURE\nid: USB Audio\n")
    (tmp_path / "4711").mkdir()
    (tmp_path / "4711" / "comm").write_text("arecord\n")
    expected = HeldMicrophone("USB PnP Sound Device: USB Audio (hw:1,0)", "arecord (process 4711)")
    assert held_microphones(tmp_path) == [expected]
    assert held_microphones(tmp_path / "nothing here") == []


def test_portaudio_s_own_error_for_a_busy_device() -> None:
    """-9985 is paDeviceUnavailable, portaudio.h."""
    sounddevice = pytest.importorskip("sounddevice", reason="PortAudio is not installed", exc_type=OSError)
    assert explain(sounddevice.PortAudioError("Error opening InputStream", -9985)).kind == "busy"
    assert explain(sounddevice.PortAudioError("Error opening InputStream", -9996)).kind == "failed"


DEVICES = [
    InputDevice(0, "HDA Intel PCH: ALC255 Analog (hw:0,0)", "ALSA", 2, 44_100, True),
    InputDevice(1, "USB PnP Sound Device: Audio (hw:1,0)", "ALSA", 1, 44_100, False),
    InputDevice(2, "USB PnP Sound Device: Audio (hw:2,0)", "ALSA", 1, 44_100, False),
    InputDevice(5, "pulse", "ALSA", 32, 44_100, False),
    InputDevice(6, "pulse monitor", "ALSA", 32, 44_100, False),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("5", 5),
        ("pulse", 5),  # the exact name wins over "pulse monitor"
        ("hda intel", 0),
        ("HDA Intel PCH: ALC255 Analog (hw:3,0)", 0),  # the card has moved since the bank was made
        ("USB PnP Sound Device: Audio (hw:2,0)", 2),
    ],
)
def test_devices_are_matched_by_index_or_name(wanted: str, index: int) -> None:
    assert match_device(DEVICES, wanted).index == index


def test_another_microphone_of_the_same_make_does_not_take_the_place_of_a_lost_one() -> None:
    """After it was unplugged: a name must be the same, and where there were twins, exactly the same."""
    left = [device for device in DEVICES if device.index in {1, 6}]
    assert match_device(left, "USB PnP Sound Device: Audio (hw:2,0)", "same").index == 1
    for wanted, how in (("USB PnP Sound Device: Audio (hw:2,0)", "exact"), ("pulse", "same")):
        with pytest.raises(CaptureError) as error:
            match_device(left, wanted, how)  # type: ignore[arg-type]
        assert error.value.kind == "missing"


@pytest.mark.parametrize(
    ("wanted", "kind", "listed"),
    [("usb", "ambiguous", [1, 2]), ("turbine", "missing", [0, 1, 2, 5, 6]), ("4", "missing", [0, 1, 2, 5, 6])],
)
def test_no_match_or_several_lists_them(wanted: str, kind: str, listed: list[int]) -> None:
    with pytest.raises(CaptureError) as error:
        match_device(DEVICES, wanted)
    assert error.value.kind == kind
    assert [device.index for device in error.value.devices] == listed
