"""The multi-modal autoencoder: its scores and its loss by hand, and the whole road from clips to a model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats
from torch import Tensor

from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError, ModelError, SoundError
from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.feature_store import FeatureData, FeatureKind, FeatureStore, extract
from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.onnx_file import export_model, size_bytes
from asd_edge.export.systems.mm_autoencoder import MmAutoencoderLosses, MmAutoencoderSettings
from asd_edge.export.systems.mm_autoencoder.model import (
    ERRORS,
    BeatsFrames,
    MmAutoencoder,
    MmAutoencoderModel,
    SpectrogramFrames,
    build_mm_autoencoder,
)
from asd_edge.export.systems.mm_autoencoder.training import MmAutoencoderTraining, WindowsWithPatches, statistics
from asd_edge.export.training.clips import read_training_clips
from asd_edge.export.training.job import train
from asd_edge.export.training.window_data import WindowData
from asd_edge.runtime import Model

SAMPLES = 8_000
FRAMES = 16
LOOP: dict[str, Any] = {"epochs": 8, "batch": 6, "falling": False, "window_s": 0.5}


def train_on(data: Path, output: Path, checkpoint: Path | None = None, **options: Any) -> list[Path]:
    """Train with the checkpoint, or without BEATs where there is none."""
    how = {"checkpoint": checkpoint, "without_beats": checkpoint is None, **LOOP, **options}
    return train(MmAutoencoderSettings(data=data, output=output, **how))


@pytest.fixture(scope="module")
def autoencoder() -> MmAutoencoder:
    """Random weights, and normalisation as training leaves it."""
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    mean, deviation = rng.normal(-3.0, 5.0, 128), rng.uniform(2.0, 9.0, 128)
    module = MmAutoencoder(128, torch.from_numpy(mean).float(), torch.from_numpy(deviation).float())
    module(10.0 * torch.randn(8, 128, FRAMES), 0.1 * torch.randn(8, SAMPLES))
    return module.eval()


def waveforms(windows: int = 3) -> Tensor:
    return 0.1 * torch.randn(windows, SAMPLES, generator=torch.Generator().manual_seed(5))


def test_the_error_is_of_the_standardised_channels_and_the_embedding_of_the_code(
    autoencoder: MmAutoencoder,
) -> None:
    rng = np.random.default_rng(2)
    heard = rng.normal(-3.0, 6.0, (3, 128, FRAMES)).astype(np.float32)
    target = (heard - autoencoder.mean.numpy()[:, None]) / autoencoder.deviation.numpy()[:, None]
    with torch.no_grad():
        embedding, errors = autoencoder(torch.from_numpy(heard), waveforms())
        tgram = autoencoder.tgram(waveforms()).numpy()
        normed = (tgram - tgram.mean(axis=2, keepdims=True)) / tgram.std(axis=2, keepdims=True)
        latent = autoencoder.encoder(torch.from_numpy(np.concatenate([target, normed], axis=1)))
        rebuilt = autoencoder.decoder(latent).numpy()
    assert latent.shape == (3, 16, 4)
    assert errors.shape == (3, FRAMES)
    np.testing.assert_allclose(errors.numpy(), ((rebuilt - target) ** 2).mean(axis=1), rtol=1e-3)
    expected = np.concatenate([latent.numpy().mean(axis=2), latent.numpy().std(axis=2)], axis=1)
    np.testing.assert_allclose(embedding.numpy(), expected, rtol=1e-3, atol=1e-4)


def test_a_code_that_does_not_change_has_a_deviation_of_a_thousandth() -> None:
    module = MmAutoencoder(128).eval()
    torch.nn.init.zeros_(module.encoder[-1].weight)
    with torch.no_grad():
        embedding, _ = module(torch.randn(1, 128, FRAMES), waveforms(1))
    np.testing.assert_allclose(embedding[0, 16:].numpy(), 1e-3, rtol=1e-5)


def test_two_convolutions_of_five_frames_with_128_channels_lead_to_16() -> None:
    """Beside the 128 channels of the spectrogram, 128 of Tgram are heard; the decoder gives the first ones back."""
    module = MmAutoencoder(128)
    encoder, decoder = (
        [tuple(part.weight.shape) for part in parts if isinstance(part, torch.nn.modules.conv._ConvNd)]
        for parts in (module.encoder, module.decoder)
    )
    assert encoder == [(128, 256, 5), (128, 128, 5), (16, 128, 1)]
    assert decoder == [(128, 16, 3), (128, 128, 4), (128, 128, 4), (128, 128, 1)]
    assert module.dimensions == 32


def test_nothing_that_is_trained_makes_the_target_easier() -> None:
    """With a decoder that says 0, the error is the mean square of the standardised channels, whatever Tgram is."""
    module = MmAutoencoder(128).eval()
    torch.nn.init.zeros_(module.decoder[-1].weight)
    torch.nn.init.zeros_(module.decoder[-1].bias)
    heard = torch.randn(3, 128, FRAMES)
    _, errors = module(heard, waveforms())
    np.testing.assert_allclose(errors.detach().numpy(), heard.square().mean(dim=1).numpy(), rtol=1e-5)
    errors.sum().backward()
    trained = [weight.grad for name, weight in module.named_parameters() if not name.startswith("decoder")]
    assert all(gradient is None or not bool(gradient.any()) for gradient in trained)


@pytest.mark.parametrize("error", ERRORS)
def test_the_error_of_a_window_is_the_mean_the_largest_or_the_worst_tenth_of_its_frames(
    autoencoder: MmAutoencoder, error: str
) -> None:
    """16 frames: the largest two are the worst tenth, rounded up."""
    with torch.no_grad():
        _, found = MmAutoencoderModel(autoencoder, None, error).eval()(waveforms())
        _, frames = autoencoder(SpectrogramFrames()(waveforms()), waveforms())
    ordered = np.sort(frames.numpy(), axis=1)
    expected = {"mean": ordered.mean(axis=1), "max": ordered[:, -1], "top": ordered[:, -2:].mean(axis=1)}
    np.testing.assert_allclose(found.numpy(), expected[error], rtol=1e-5)


@pytest.mark.parametrize("samples", [512, 1024, 8_000, 8_191])
def test_every_frame_is_rebuilt_whatever_the_window(samples: int) -> None:
    module = MmAutoencoderModel(MmAutoencoder(128), None).eval()
    with torch.no_grad():
        embedding, error = module(0.1 * torch.randn(2, samples))
    assert (embedding.shape, error.shape) == ((2, 32), (2,))
    assert bool(error.isfinite().all())


def test_the_gain_of_the_microphone_cancels_without_beats(autoencoder: MmAutoencoder) -> None:
    model = MmAutoencoderModel(autoencoder, None).eval()
    with torch.no_grad():
        loud, quiet = model(waveforms()), model(0.05 * waveforms())
        silent = model(torch.zeros(1, SAMPLES))
    np.testing.assert_allclose(quiet[0], loud[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(quiet[1], loud[1], rtol=1e-3)
    assert bool(silent[0].isfinite().all())
    assert bool(silent[1].isfinite().all())


def test_beats_frames_are_means_over_mel_blocks_along_lines_in_time(tmp_path: Path) -> None:
    """Half a second: 48 frames of 10 ms in three blocks, whose middles lie at samples 1400, 3960 and 6520."""
    encoder = load_beats(write_tiny_beats(tmp_path / "tiny.pt"), 1, SAMPLES)
    patches = np.random.default_rng(3).standard_normal((2, 24, 24)).astype(np.float32)
    found = BeatsFrames(encoder)(torch.from_numpy(patches)).numpy()
    blocks = patches.reshape(2, 3, 8, 24).mean(axis=2)
    expected = [
        [np.interp(512 * np.arange(FRAMES), [1400, 3960, 6520], blocks[window, :, channel]) for channel in range(24)]
        for window in range(2)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_windows_come_with_their_own_patches_and_labels(tmp_path: Path) -> None:
    """Two windows of each of three clips, in any order: BEATs gives those patches of that very waveform."""
    write_machine(tmp_path / "data", "fan", 300.0, clips=3, seconds=1.2)
    encoder = load_beats(write_tiny_beats(tmp_path / "tiny.pt"), 1, SAMPLES)
    clips = read_training_clips(tmp_path / "data")["fan"]
    store = FeatureStore(tmp_path / "features", FeatureKind.of(encoder, "0" * 64, 1))
    used = extract(clips, store, encoder, 1, DamagedClips(False))
    labels = np.array([[0], [1], [2]])
    sound = WindowData([(each, 2) for each in used], labels, SAMPLES, 1)
    data = WindowsWithPatches(sound, FeatureData(store, [each.sha256 for each in used], labels))
    assert len(data) == 6
    waveforms, classes, patches = data[np.array([5, 0, 2, 3])]
    assert classes.tolist() == [[2], [0], [1], [1]]
    with torch.no_grad():
        expected = encoder(waveforms)
    assert (expected[0] - expected[1]).abs().max() > 0.5  # they differ
    torch.testing.assert_close(patches.float(), expected, rtol=0.0, atol=5e-3)


class Windows:
    """Waveforms and labels, as training reads them."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        return waveforms()[rows], torch.zeros(len(rows), 1, dtype=torch.int64)


def test_statistics_are_over_all_windows_and_frames() -> None:
    front_end = SpectrogramFrames()
    with torch.no_grad():
        decibels = SlaneyLogMel()(waveforms()).numpy()
    levelled = (decibels - decibels.mean(axis=(1, 2), keepdims=True)).transpose(1, 0, 2).reshape(128, -1)
    mean, deviation = statistics(Windows(), front_end)
    np.testing.assert_allclose(mean, levelled.mean(axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(deviation, levelled.std(axis=1), rtol=1e-3)


def test_a_channel_that_never_varies_is_not_divided_by_nothing() -> None:
    class Still(SpectrogramFrames):
        def forward(self, waveform: Tensor) -> Tensor:
            return super().forward(waveform) * (torch.arange(128) > 0)[:, None]

    _, deviation = statistics(Windows(), Still())
    _, free = statistics(Windows(), SpectrogramFrames())
    assert deviation[0].item() == pytest.approx(0.1 * float(free[1:].sum()) / 128, rel=1e-4)
    torch.testing.assert_close(deviation[1:], free[1:])


@pytest.mark.parametrize("machines", [1, 3])
def test_the_loss_is_equation_4(autoencoder: MmAutoencoder, machines: int) -> None:
    module = MmAutoencoderTraining(
        SpectrogramFrames(), autoencoder, machines, MmAutoencoderLosses(identity_weight=0.7)
    ).eval()
    labels = torch.tensor([0, machines - 1, 0])
    with torch.no_grad():
        found = module(waveforms(), labels[:, None])
        embedding, errors = autoencoder(SpectrogramFrames()(waveforms()), waveforms())
        logits = module.classify(embedding).double().numpy()
    entropies = [math.log(sum(math.exp(x) for x in row)) - row[y] for row, y in zip(logits, labels, strict=True)]
    assert found["identity"].item() == pytest.approx(np.mean(entropies), rel=1e-4, abs=1e-6)
    assert found["rebuilding"].item() == pytest.approx(errors.mean().item(), rel=1e-5)
    assert found["loss"].item() == pytest.approx(errors.mean().item() + 0.7 * np.mean(entropies), rel=1e-4)
    assert machines > 1 or found["identity"].item() == 0.0


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_weights_that_cannot_be(weight: float) -> None:
    with pytest.raises(InputError, match="--identity-weight is out of its bounds"):
        MmAutoencoderLosses(identity_weight=weight)


def test_without_beats_the_model_is_small() -> None:
    """A window of 10 s: 8.4 MB of double precision for the transform alone without its symmetry."""
    assert size_bytes(MmAutoencoderModel(MmAutoencoder(128), None)) < 9_500_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0, clips=5)
    write_machine(tmp_path / "data", "pump", 500.0, clips=5)
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt")


@pytest.mark.parametrize("beats", [False, True], ids=["without BEATs", "BEATs"])
def test_the_whole_road(
    tmp_path: Path, data: Path, checkpoint: Path, beats: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The model that runs on the device gives what PyTorch gives, and says what it is."""
    weights = tmp_path / "ae.pt"
    given, layers = (checkpoint, 2) if beats else (None, None)
    caplog.set_level("INFO")
    assert train_on(data, weights, given, layers=layers) == [weights]
    origin = torch.load(weights)["origin"]
    assert (origin["samples"], origin["layers"]) == (SAMPLES, layers)
    system = "mm-autoencoder" if beats else "mm-autoencoder-without-beats"
    assert caplog.messages[-1] == f"{system}: 20 windows of 10 clips, 2 machines"
    history = torch.load(tmp_path / "ae.run" / "checkpoint.pt")["history"]
    assert list(history[0]) == ["loss", "rebuilding", "identity"]
    assert history[-1]["rebuilding"] < 0.9 * history[0]["rebuilding"]
    module, info = build_mm_autoencoder(weights, given)
    export_model(module, info, tmp_path / "ae.onnx")
    model = Model(tmp_path / "ae.onnx", threads=1)
    assert model.info.recipe == ("mm-autoencoder" if beats else "mm-autoencoder-without-beats")
    assert (model.info.scorer, model.info.reconstruction, model.info.dimensions) == ("reconstruction", True, 32)
    window = read_windows(next((data / "pump" / "train").iterdir()), SAMPLES)[0]
    output = model.embed(window)
    with torch.no_grad():
        embedding, error = module(torch.from_numpy(window[None]))
    np.testing.assert_allclose(output.embedding, embedding[0].numpy(), rtol=1e-3, atol=1e-4)
    assert output.reconstruction_error == pytest.approx(error.item(), rel=1e-4)


def test_the_same_seed_gives_the_same_bits_and_features_are_computed_once(
    tmp_path: Path, data: Path, checkpoint: Path
) -> None:
    def trained(name: str, seed: int) -> dict[str, Tensor]:
        train_on(data, tmp_path / name, checkpoint, epochs=2, seed=seed, features=tmp_path / "features")
        return {name: weight for name, weight in torch.load(tmp_path / name).items() if name != "origin"}

    def made() -> list[int]:
        return [path.stat().st_mtime_ns for path in sorted((tmp_path / "features").glob("*.npy"))]

    first, before = trained("first.pt", 0), made()
    second, third = trained("second.pt", 0), trained("third.pt", 1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], third["encoder.0.weight"])
    assert len(before) == 10
    assert made() == before


def test_a_window_must_hold_two_codes(tmp_path: Path, data: Path) -> None:
    """Five frames every 512 samples: the fifth is centred at sample 2048, 0.128 s."""
    with pytest.raises(InputError, match="shorter than two latent codes") as raised:
        train_on(data, tmp_path / "ae.pt", window_s=0.127)
    assert raised.value.valid == "0.128 s or more"
    assert not (tmp_path / "ae.run").exists()
    assert train_on(data, tmp_path / "ae.pt", epochs=1, batch=64, window_s=0.128)


def test_one_machine_has_no_identity_to_learn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_machine(tmp_path / "data", "fan", 300.0)
    caplog.set_level("INFO")
    train_on(tmp_path / "data", tmp_path / "ae.pt", epochs=1)
    assert "one machine, which has no other to be told from" in caplog.messages[-1]
    assert torch.load(tmp_path / "ae.run" / "checkpoint.pt")["history"][0]["identity"] == 0.0


def test_a_damaged_clip_is_named_or_skipped_and_counted(tmp_path: Path, data: Path) -> None:
    clips = sorted(data.glob("*/train/*"))
    clips[2].write_bytes(b"damaged")
    with pytest.raises(SoundError) as raised:
        train_on(data, tmp_path / "ae.pt", epochs=1)
    assert str(clips[2]) in raised.value.got
    train_on(data, tmp_path / "ae.pt", epochs=1, skip_damaged=True)
    assert '"damaged": 1' in (tmp_path / "ae.run" / "run.json").read_text()
    for clip in clips:
        clip.write_bytes(b"damaged")
    with pytest.raises(InputError, match="no training clip that can be read"):
        train_on(data, tmp_path / "none.pt", epochs=1, skip_damaged=True)


def test_export_wants_the_checkpoint_of_the_training(tmp_path: Path, data: Path, checkpoint: Path) -> None:
    small, large = tmp_path / "small.pt", tmp_path / "large.pt"
    train_on(data, small, epochs=1)
    train_on(data, large, checkpoint, epochs=1)
    with pytest.raises(InputError, match="trained without BEATs"):
        build_mm_autoencoder(small, checkpoint)
    with pytest.raises(InputError, match="trained with BEATs"):
        build_mm_autoencoder(large)
    with pytest.raises(ModelError, match="features of another checkpoint"):
        build_mm_autoencoder(large, write_tiny_beats(tmp_path / "other.pt", max_distance=50))
    with pytest.raises(ModelError, match=r"There is no file missing\.pt"):
        build_mm_autoencoder(large, tmp_path / "missing.pt")
    with pytest.raises(InputError, match="no graph for this target"):
        build_mm_autoencoder(large, checkpoint, "npu")
    whole = torch.load(small)
    for name in ("mean", "encoder.1.running_var", "tgram.filters.weight"):
        torch.save({key: value for key, value in whole.items() if key != name}, small)
        with pytest.raises(ModelError, match=f"lacks a weight: {name}"):
            build_mm_autoencoder(small)
    torch.save({key: value for key, value in whole.items() if key != "origin"}, small)
    with pytest.raises(ModelError, match="where its weights come from"):
        build_mm_autoencoder(small)


def test_the_graph_for_other_providers_has_no_attention_operator(tmp_path: Path, data: Path, checkpoint: Path) -> None:
    weights = tmp_path / "ae.pt"
    train_on(data, weights, checkpoint, epochs=1, layers=1)
    infos: list[ModelInfo] = [build_mm_autoencoder(weights, checkpoint, target)[1] for target in ("cpu", "cuda")]
    assert [(info.target, info.opset, info.layers) for info in infos] == [("cpu", 23, 1), ("cuda", 20, 1)]
