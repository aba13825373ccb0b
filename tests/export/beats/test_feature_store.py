"""The store of patch features: computed once, whole or not at all, and of one kind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats
from torch import Tensor

from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import InputError, ModelError, SoundError
from asd_edge.export.beats.encoder import Beats, load_beats
from asd_edge.export.beats.feature_store import FeatureData, FeatureKind, FeatureStore, extract
from asd_edge.export.training.clips import TrainingClip, data_digest, read_training_clips

SAMPLES = 8_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_beats(tmp_path_factory.mktemp("beats") / "tiny.pt")


@pytest.fixture(scope="module")
def encoder(checkpoint: Path) -> Beats:
    return load_beats(checkpoint, 2, SAMPLES)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0)
    write_machine(tmp_path / "data", "pump", 500.0, clips=2, seconds=1.7)
    return tmp_path / "data"


@pytest.fixture
def clips(data: Path) -> list[TrainingClip]:
    return [each for machine in read_training_clips(data).values() for each in machine]


@pytest.fixture
def kind(checkpoint: Path, encoder: Beats) -> FeatureKind:
    return FeatureKind(file_sha256(checkpoint), 2, SAMPLES, "1", encoder.patches, encoder.dimensions)


class Failing:
    """An encoder that stops after so many windows, as a power loss does."""

    def __init__(self, encoder: Beats, windows: int) -> None:
        self.encoder, self.left = encoder, windows
        self.buffers = encoder.buffers

    def __call__(self, waveform: Tensor) -> Tensor:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        found: Tensor = self.encoder(waveform)
        return found


def test_features_are_those_of_beats_in_half_precision(
    tmp_path: Path, clips: list[TrainingClip], kind: FeatureKind, encoder: Beats, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "asd_edge")
    store = FeatureStore(tmp_path / "store", kind)
    assert extract(clips, store, encoder, 1, DamagedClips(False)) == tuple(clips)
    for each in clips:
        windows = read_windows(each.clip.path, SAMPLES)
        # A clip of 1 s gives two windows of half a second; one of 1.7 s three, as the rest of 0.2 s is too little.
        assert len(windows) == (2 if each.clip.machine == "fan" else 3)
        expected = encoder(torch.from_numpy(windows)).numpy()
        found = store.read(each.sha256)
        assert isinstance(found, np.memmap)
        assert (found.dtype, found.shape) == (np.float16, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    needed = sum(store.read(each.sha256).nbytes for each in clips)
    assert needed == 14 * kind.window_bytes
    assert f"{needed * 1.02 / 1e6:.1f} MB" in caplog.messages[0]
    # All is there: nothing is computed again.
    extract(clips, FeatureStore(tmp_path / "store", kind), Failing(encoder, 0), 1, DamagedClips(False))  # type: ignore[arg-type]


def test_work_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, clips: list[TrainingClip], kind: FeatureKind, encoder: Beats
) -> None:
    """After 5 windows, the third clip has one of its two: it is not there, and its window is computed again."""

    def go_on(folder: str, windows: int) -> dict[str, bytes]:
        store = FeatureStore(tmp_path / folder, kind)
        extract(clips, store, Failing(encoder, windows), 1, DamagedClips(False))  # type: ignore[arg-type]
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    with pytest.raises(KeyboardInterrupt):
        go_on("stopped", 5)
    assert len(list((tmp_path / "stopped").glob("*.npy"))) == 2
    assert go_on("stopped", 14 - 4) == go_on("whole", 14)


def test_training_reads_the_windows_that_it_asks_for(
    tmp_path: Path, clips: list[TrainingClip], kind: FeatureKind, encoder: Beats
) -> None:
    store = FeatureStore(tmp_path / "store", kind)
    extract(clips, store, encoder, 1, DamagedClips(False))
    labels = np.arange(12).reshape(6, 2)
    samples = FeatureData(store, [each.sha256 for each in clips], labels)
    assert len(samples) == 14
    features, asked = samples[np.array([13, 0, 8])]
    # Four clips of two windows, then two of three: rows 8 and 13 are windows of the last two clips.
    assert asked.tolist() == [[10, 11], [0, 1], [8, 9]]
    assert features.dtype == torch.float16
    np.testing.assert_array_equal(features[0], store.read(clips[5].sha256)[2])
    np.testing.assert_array_equal(features[1], store.read(clips[0].sha256)[0])
    np.testing.assert_array_equal(features[2], store.read(clips[4].sha256)[0])


@pytest.mark.parametrize(
    "change", [{"checkpoint_sha256": "0" * 64}, {"layers": 3}, {"samples": 16_000}, {"channel": "mix"}]
)
def test_features_of_another_kind_are_refused(tmp_path: Path, kind: FeatureKind, change: dict[str, object]) -> None:
    FeatureStore(tmp_path / "store", kind)
    (name, value) = next(iter(change.items()))
    with pytest.raises(InputError, match="another checkpoint, or were made in another way") as raised:
        FeatureStore(tmp_path / "store", replace(kind, **change))  # type: ignore[arg-type]
    assert str(getattr(kind, name)) in raised.value.got
    assert str(value) in raised.value.valid
    assert "--features" in raised.value.next_step


def test_a_folder_of_something_else_is_refused(tmp_path: Path, kind: FeatureKind) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "letters.txt").write_text("dear")
    with pytest.raises(InputError, match="holds something else"):
        FeatureStore(tmp_path / "store", kind)
    (tmp_path / "store" / "features.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        FeatureStore(tmp_path / "store", kind)
    with pytest.raises(InputError, match="Cannot make the folder"):
        FeatureStore(tmp_path / "store" / "letters.txt" / "store", kind)


def test_damaged_features_are_refused(tmp_path: Path, kind: FeatureKind) -> None:
    store = FeatureStore(tmp_path / "store", kind)
    store.write("a", np.zeros((1, kind.patches, kind.width), np.float16))
    store.write("b", np.zeros((1, kind.patches + 1, kind.width), np.float16))
    whole = (tmp_path / "store" / "a.npy").read_bytes()
    (tmp_path / "store" / "a.npy").write_bytes(whole[:-1])
    for name in ("a", "b", "missing"):
        with pytest.raises(InputError, match="cannot be read") as raised:
            store.read(name)
        assert "computed again" in raised.value.next_step


def test_a_damaged_clip_is_named_or_skipped_and_counted(
    tmp_path: Path,
    clips: list[TrainingClip],
    kind: FeatureKind,
    encoder: Beats,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One is damaged so that its header shows it, another only when its sound is read."""
    header, sound = clips[1].clip.path, clips[2].clip.path
    header.write_bytes(header.read_bytes()[:1000])
    import soundfile

    soundfile.write(sound, np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    spoiled = [TrainingClip(each.clip, file_sha256(each.clip.path)) for each in clips]
    store = FeatureStore(tmp_path / "store", kind)
    with pytest.raises(SoundError) as raised:
        extract(spoiled, store, encoder, 1, DamagedClips(False))
    assert str(header) in raised.value.got
    assert "--skip-damaged" in raised.value.next_step
    damaged = DamagedClips(True)
    caplog.set_level("INFO", "asd_edge")
    used = extract(spoiled, store, encoder, 1, damaged)
    assert damaged.count == 2
    assert used == tuple(spoiled[index] for index in (0, 3, 4, 5))
    assert [line for line in caplog.messages if "left out" in line and ("0001" in line or "0002" in line)]


def test_too_little_room_is_told_before_the_work(
    tmp_path: Path,
    clips: list[TrainingClip],
    kind: FeatureKind,
    encoder: Beats,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = FeatureStore(tmp_path / "store", kind)
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10_000, 10_000))
    with pytest.raises(InputError, match="too little room") as raised:
        extract(clips, store, encoder, 1, DamagedClips(False))
    assert "0.0 MB" in raised.value.got
    assert not list((tmp_path / "store").glob("*.npy"))


@pytest.mark.parametrize("spoil", [lambda x: x * 1e6, lambda x: x * float("nan")])
def test_features_beyond_half_precision_are_refused(
    tmp_path: Path,
    clips: list[TrainingClip],
    kind: FeatureKind,
    encoder: Beats,
    spoil: Callable[[Tensor], Tensor],
) -> None:
    class Loud(Failing):
        def __call__(self, waveform: Tensor) -> Tensor:
            return spoil(super().__call__(waveform))

    store = FeatureStore(tmp_path / "store", kind)
    with pytest.raises(ModelError, match="no numbers of half precision") as raised:
        extract(clips, store, Loud(encoder, 99), 1, DamagedClips(False))  # type: ignore[arg-type]
    assert str(clips[0].clip.path) in raised.value.got
    assert not list((tmp_path / "store").glob("*.npy"))


def test_the_digest_is_of_names_attributes_and_content(data: Path, clips: list[TrainingClip]) -> None:
    digest = data_digest(clips)
    assert digest == data_digest(reversed(clips))
    assert digest != data_digest(clips[1:])
    assert digest != data_digest([replace(clips[0], sha256="0"), *clips[1:]])
    other = replace(clips[0].clip, attributes=(("speed", "1"),))
    assert digest != data_digest([replace(clips[0], clip=other), *clips[1:]])


def test_machines_are_chosen_by_name(data: Path) -> None:
    assert list(read_training_clips(data, ["pump"])) == ["pump"]
    with pytest.raises(InputError, match="no machine of that name") as raised:
        read_training_clips(data, ["fan", "valve"])
    assert (raised.value.got, raised.value.valid) == ("valve", "fan, pump")
