"""Mixtures: at the ratio that was drawn, the same however often asked for, and of what the data set offers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dcase_clips import write_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.export.separation.mixtures import (
    Mixtures,
    Source,
    Sources,
    at_snr,
    find_sources,
    read_sound,
)
from asd_edge.export.separation.settings import MixSettings, SeparatorSettings, SnrSettings
from asd_edge.export.separation.steady_part import split_by_steadiness

STRICT = DamagedClips(skip=False)
MIX = MixSettings(mixtures=6, segment_s=1.0, snr_min_db=-3.0, snr_max_db=9.0, seed=5)


def write_supplemental(folder: Path, machine: str, kind: str, clips: int = 2, seconds: float = 1.5) -> None:
    supplemental = folder / machine / "supplemental"
    supplemental.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(kind))
    for index in range(clips):
        sound = 0.1 * rng.standard_normal(round(seconds * 16_000))
        soundfile.write(supplemental / f"section_00_{kind}_{index:04d}_noAttribute.wav", sound, 16_000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A machine with a recording of it alone, one with noise alone, one with neither."""
    for hz, machine in enumerate(("fan", "pump", "valve"), start=3):
        write_machine(tmp_path / "data", machine, 100.0 * hz, clips=4, seconds=1.5)
    write_supplemental(tmp_path / "data", "fan", "source_supplement_clean_machine", clips=3)
    write_supplemental(tmp_path / "data", "pump", "source_supplement_noise")
    return tmp_path / "data"


def sources(data: Path, steady: str = "background") -> Sources:
    return find_sources(data, steady, 1, STRICT)


def db(foreground: np.ndarray, background: np.ndarray) -> float:
    return float(10.0 * np.log10(np.square(foreground).sum() / np.square(background).sum()))


@settings(deadline=None, max_examples=30)
@given(st.floats(-40.0, 40.0), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_ratio_is_the_one_asked_for(snr_db: float, one: float, other: float) -> None:
    rng = np.random.default_rng(0)
    foreground, background = ((scale * rng.standard_normal(500)).astype(np.float32) for scale in (one, other))
    scaled = at_snr(foreground, background, snr_db)
    assert db(foreground, scaled) == pytest.approx(snr_db, abs=1e-3)
    assert scaled.dtype == np.float32


def test_beside_silence_the_background_stays_as_it_is() -> None:
    sound, silence = np.ones(10, np.float32), np.zeros(10, np.float32)
    assert at_snr(silence, sound, 3.0).tolist() == sound.tolist()
    assert at_snr(sound, silence, 3.0).tolist() == silence.tolist()


def test_a_data_set_offers_what_it_has(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The machine alone where it was recorded, else what changes in its training clips; noise for all machines."""
    caplog.set_level("INFO", "asd_edge")
    found = sources(data)
    parts = [(source.path.parent.parent.name, source.path.parent.name, source.part) for source in found.foregrounds]
    expected = [("fan", "supplemental", "all")] * 3 + [("pump", "train", "rest")] * 4 + [("valve", "train", "rest")] * 4
    assert parts == expected
    assert [(source.path.parent.name, source.part) for source in found.backgrounds] == [("supplemental", "all")] * 2
    assert caplog.messages == [
        "Foregrounds: 11 clips, for pump, valve what is not steady in training clips.",
        "Backgrounds: 2 clips, of noise alone.",
    ]


def test_without_noise_backgrounds_are_what_is_steady_or_the_other_way_round(data: Path) -> None:
    for path in (data / "pump" / "supplemental").iterdir():
        path.unlink()
    found = sources(data)
    assert {source.part for source in found.backgrounds} == {"steady"}
    assert len(found.backgrounds) == 12
    turned = sources(data, "machine")
    assert {source.part for source in turned.backgrounds} == {"rest"}
    assert {source.part for source in turned.foregrounds} == {"all", "steady"}
    assert found.digest() != turned.digest()


def test_a_part_of_a_clip_is_read_as_the_prior_splits_it(data: Path) -> None:
    path = next((data / "valve" / "train").iterdir())
    whole, steady, rest = (Source(path, "", part).read() for part in ("all", "steady", "rest"))  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.stack([steady, rest]), split_by_steadiness(whole))


def test_mixtures_are_sums_at_ratios_within_the_range(data: Path) -> None:
    mixture, parts = Mixtures(sources(data), MIX)[np.arange(6)]
    assert (mixture.shape, parts.shape) == ((6, 16_000), (6, 2, 16_000))
    np.testing.assert_allclose(parts.sum(dim=1).numpy(), mixture.numpy())
    ratios = [db(*each) for each in parts.numpy().astype(np.float64)]
    assert all(-3.001 <= ratio <= 9.001 for ratio in ratios)
    assert np.ptp(ratios) > 1.0


def test_a_mixture_depends_on_the_seed_and_its_number_alone(data: Path) -> None:
    table = Mixtures(sources(data), MIX)
    assert len(table) == 6
    one, _ = table[np.array([4, 1])]
    other, _ = Mixtures(sources(data), replace(MIX, mixtures=100))[np.array([1, 2, 4])]
    assert one[0].equal(other[2])
    assert one[1].equal(other[0])
    assert not one[0].equal(one[1])
    reseeded, _ = Mixtures(sources(data), replace(MIX, seed=6))[np.array([4])]
    assert not reseeded[0].equal(one[0])


def test_a_recording_shorter_than_a_mixture_is_repeated(data: Path) -> None:
    path = next((data / "fan" / "supplemental").iterdir())
    source = Source(path, "")
    _, parts = Mixtures(Sources((source,), (source,)), replace(MIX, segment_s=2.0))[np.array([0])]
    np.testing.assert_array_equal(parts[0, 0, :24_000].numpy(), read_sound(path))
    np.testing.assert_array_equal(parts[0, 0, 24_000:].numpy(), read_sound(path)[:8_000])


def test_the_foreground_comes_first_and_as_it_is_and_the_background_gives_way(tmp_path: Path) -> None:
    """A ramp up before a ramp down, of 2 s each: the background alone is scaled, to 6 dB below."""
    for name, slope in (("up", 1.0), ("down", -1.0)):
        soundfile.write(tmp_path / f"{name}.wav", np.linspace(-slope, slope, 32_000) / 3.0, 16_000, subtype="FLOAT")
    up, down = (Source(tmp_path / f"{name}.wav", name) for name in ("up", "down"))
    settings = replace(MIX, segment_s=2.0, snr_min_db=6.0, snr_max_db=6.0)
    _, parts = Mixtures(Sources((up,), (down,)), settings)[np.array([0, 1])]
    for foreground, background in parts.numpy():
        np.testing.assert_array_equal(foreground, read_sound(up.path))
        np.testing.assert_allclose(background, read_sound(down.path) * 10.0 ** (-6.0 / 20.0), rtol=1e-4, atol=1e-6)


def test_any_rate_becomes_16_khz(tmp_path: Path) -> None:
    hum = 0.3 * np.sin(2.0 * np.pi * 440.0 * np.arange(66_150) / 44_100.0)
    soundfile.write(tmp_path / "hum.wav", hum, 44_100, subtype="FLOAT")
    found = read_sound(tmp_path / "hum.wav")
    assert len(found) == 24_000
    expected = 0.3 * np.sin(2.0 * np.pi * 440.0 * np.arange(24_000) / 16_000.0)
    np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=1e-3)


def test_clips_that_cannot_be_used_are_named_or_left_out(data: Path) -> None:
    noise = sorted((data / "pump" / "supplemental").iterdir())
    soundfile.write(noise[0], np.zeros(8_000), 16_000)
    with pytest.raises(SoundError, match="too short") as raised:
        sources(data)
    assert str(noise[0]) in raised.value.got
    damaged = DamagedClips(skip=True)
    assert len(find_sources(data, "background", 1, damaged).backgrounds) == 1
    assert damaged.count == 1
    for path in (data / "fan").rglob("*.wav"):
        path.write_bytes(b"damaged")
    assert {source.path.parent.parent.name for source in find_sources(data, "background", 1, damaged).foregrounds} == {
        "pump",
        "valve",
    }


def test_what_cannot_be_mixed() -> None:
    with pytest.raises(InputError, match="no foreground to mix"):
        Sources((), (Source(Path("a.wav"), ""),))
    with pytest.raises(InputError, match="no background to mix"):
        Sources((Source(Path("a.wav"), ""),), ())
    for low, high in ((6.0, -6.0), (0.0, float("inf")), (float("nan"), 1.0)):
        with pytest.raises(InputError) as raised:
            SnrSettings(snr_min_db=low, snr_max_db=high)
        assert "--snr-" in raised.value.next_step
    assert SnrSettings(snr_min_db=2.0, snr_max_db=2.0).draw_snr_db(np.random.default_rng(0)) == 2.0
    for name, value in (("mixtures", 1), ("segment_s", 0.5), ("segment_s", 11.0), ("seed", -1)):
        with pytest.raises(InputError) as raised:
            replace(MIX, **{name: value})  # type: ignore[arg-type]
        assert f"--{name.removesuffix('_s')}" in raised.value.next_step


def test_what_is_steady_has_two_names(data: Path) -> None:
    with pytest.raises(InputError, match="can be steady") as raised:
        SeparatorSettings(data=data, output=data / "separator.pt", steady="fan")
    assert raised.value.valid == "background, machine"
