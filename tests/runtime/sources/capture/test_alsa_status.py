"""A microphone that another program holds is named with its holder."""

from __future__ import annotations

from pathlib import Path

from asd_edge.runtime.sources.capture.alsa_status import HeldMicrophone, held_microphones


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
