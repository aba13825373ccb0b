"""What an enrolment takes where nobody says it: the channel of the bank that is added to, and so many minutes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd_edge.calibration.errors import InputError
from asd_edge.runtime import EnrollSettings, FileSource, Model, Source, enroll, load_bank
from asd_edge.runtime.enrolment.start import MINUTES, heard_minutes


class _Endless(Source):
    name, live = "a microphone", True

    def sound(self, stop):  # type: ignore[no-untyped-def]
        yield from ()


def test_a_source_without_an_end_is_heard_for_ten_minutes_and_files_are_heard_whole(machine_wav: Path) -> None:
    settings = EnrollSettings("new.npz")  # type: ignore[arg-type]  # text is a path as well
    assert heard_minutes(settings, _Endless()) == MINUTES == 10.0
    assert heard_minutes(settings, FileSource(machine_wav)) == math.inf
    assert heard_minutes(EnrollSettings(Path("new.npz"), minutes=2.5), _Endless()) == 2.5


def test_adding_to_a_bank_hears_the_channel_that_was_enrolled(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    """The first channel is silent: windows of it would be refused as a broken sensor."""
    sound, rate_hz = soundfile.read(machine_wav, dtype="float32", stop=40 * 16_000)
    for name, half in (("first", sound[: 20 * 16_000]), ("second", sound[20 * 16_000 :])):
        soundfile.write(tmp_path / f"{name}.wav", np.stack([0.0 * half, half], axis=1), rate_hz)
    bank = tmp_path / "bank.npz"
    enroll(FileSource(tmp_path / "first.wav"), short_model, EnrollSettings(bank, hop_s=1.0, channel=2))
    report = enroll(FileSource(tmp_path / "second.wav"), short_model, EnrollSettings(bank, hop_s=1.0, append=True))
    assert (report.added, report.refused) == (20, {})
    assert load_bank(bank).info.channel == "2"
    with pytest.raises(InputError, match="Nothing was enrolled"):
        enroll(FileSource(tmp_path / "first.wav"), short_model, EnrollSettings(tmp_path / "new.npz", hop_s=1.0))
