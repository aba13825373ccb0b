"""Which device a text means, and what PortAudio's own errors say."""

from __future__ import annotations

import pytest

from asd_edge.runtime.sources.capture.input_devices import CaptureError, InputDevice, match_device
from asd_edge.runtime.sources.capture.portaudio_process import explain


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
