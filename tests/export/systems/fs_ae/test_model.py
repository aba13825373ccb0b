"""The first-shot autoencoder: its scores by direct loops, and the whole road from clips to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dcase_clips import write_machine
from torch import nn

from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.errors import InputError, ModelError, SoundError
from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.onnx_file import export_model
from asd_edge.export.systems.fs_ae import FsAeSettings
from asd_edge.export.systems.fs_ae.model import (
    FirstShotAutoencoder,
    FsAeModel,
    FsAeTraining,
    TrainedFsAe,
    VectorData,
    build_fs_ae,
    load_fs_ae,
    residual_covariance,
)
from asd_edge.export.training.job import train
from asd_edge.runtime import Model

SAMPLES = 8_000
LOOP: dict[str, Any] = {"epochs": 8, "batch": 32, "window_s": 0.5}


def train_in(data: Path, output: Path, **options: Any) -> list[Path]:
    return train(FsAeSettings(data=data, output=output, **{**LOOP, **options}))


@pytest.fixture(scope="module")
def autoencoder() -> FirstShotAutoencoder:
    """Random weights, and normalisation as training leaves it."""
    torch.manual_seed(1)
    module = FirstShotAutoencoder()
    module(20.0 * torch.randn(64, 640) - 60.0)
    return module.eval()


@pytest.fixture(scope="module")
def spectrograms() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (10.0 * rng.standard_normal((3, 16, 128)) - 60.0).astype(np.float32)


def test_the_layers_are_those_of_the_baseline() -> None:
    widths = [module.out_features for module in FirstShotAutoencoder().modules() if isinstance(module, nn.Linear)]
    assert widths == [128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    norms = [module for module in FirstShotAutoencoder().modules() if isinstance(module, nn.BatchNorm1d)]
    assert [norm.num_features for norm in norms] == widths[:-1]
    # Keras' defaults, with which the baseline was trained: 0.99 of the running statistics is kept.
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}
    with torch.no_grad():
        rebuilt, latent = FirstShotAutoencoder().eval()(torch.randn(3, 640))
    assert (rebuilt.shape, latent.shape) == ((3, 640), (3, 8))
    assert float(latent.min()) >= 0.0  # behind a ReLU


def test_vectors_are_five_frames_one_after_the_other(spectrograms: np.ndarray) -> None:
    data = VectorData(spectrograms)
    assert len(data) == 3 * 12
    (vectors,) = data[np.array([0, 25, 35])]
    for found, (window, first) in zip(vectors.numpy(), ((0, 0), (2, 1), (2, 11)), strict=True):
        np.testing.assert_array_equal(found, np.concatenate([spectrograms[window, first + t] for t in range(5)]))


def test_the_loss_is_the_mean_squared_error() -> None:
    module = FsAeTraining().eval()
    vectors = torch.randn(4, 640)
    with torch.no_grad():
        expected = np.mean((module.autoencoder(vectors)[0].numpy() - vectors.numpy()) ** 2)
        assert module(vectors)["loss"].item() == pytest.approx(expected, rel=1e-5)


def residuals(autoencoder: FirstShotAutoencoder, spectrogram: np.ndarray) -> np.ndarray:
    """Of one window: ``(5 vectors, 128)``, a row for each frame of each vector."""
    rows = []
    for first in range(len(spectrogram) - 4):
        vector = spectrogram[first : first + 5].reshape(1, 640)
        with torch.no_grad():
            rebuilt = autoencoder(torch.from_numpy(vector))[0].numpy()
        rows.extend((vector - rebuilt).reshape(5, 128))
    return np.array(rows, np.float64)


def test_the_covariance_is_that_of_all_frames_of_all_vectors(
    autoencoder: FirstShotAutoencoder, spectrograms: np.ndarray
) -> None:
    rows = np.concatenate([residuals(autoencoder, each) for each in spectrograms])
    assert len(rows) == 3 * 12 * 5
    np.testing.assert_allclose(residual_covariance(autoencoder, spectrograms), np.cov(rows.T), rtol=1e-4, atol=1e-4)


def trained(autoencoder: FirstShotAutoencoder, domains: int) -> TrainedFsAe:
    rng = np.random.default_rng(5)
    roots = rng.standard_normal((domains, 128, 256)) * np.array([3.0, 5.0])[:domains, None, None]
    return TrainedFsAe(autoencoder, roots @ roots.transpose(0, 2, 1) / 256, SAMPLES)


@pytest.mark.parametrize("domains", [1, 2])
@pytest.mark.parametrize("score", ["mse", "mahalanobis"])
def test_the_errors_are_the_baselines(autoencoder: FirstShotAutoencoder, domains: int, score: str) -> None:
    """The Mahalanobis mode as the authors' program has it: the mean of all products d_i' P d_j over pairs of frames."""
    given = trained(autoencoder, domains)
    waveform = np.random.default_rng(2).normal(0.0, 0.05, (2, SAMPLES)).astype(np.float32)
    with torch.no_grad():
        embedding, error = FsAeModel(given, score).eval()(torch.from_numpy(waveform))
        frames = SlaneyLogMel()(torch.from_numpy(waveform)).numpy()
    for index in range(2):
        rows = residuals(autoencoder, frames[index].T)
        if score == "mse":
            expected = np.mean(rows**2)
        else:
            expected = min(np.mean(rows @ np.linalg.inv(each) @ rows.T) for each in given.covariances)
        assert error[index].item() == pytest.approx(expected, rel=1e-3)
        vectors = np.stack([frames[index].T[t : t + 5].reshape(640) for t in range(frames.shape[2] - 4)])
        with torch.no_grad():
            latent = autoencoder(torch.from_numpy(vectors))[1].numpy()
        np.testing.assert_allclose(embedding[index].numpy(), latent.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_a_covariance_without_an_inverse_is_helped(autoencoder: FirstShotAutoencoder) -> None:
    """A band without sound rebuilds exactly, and varies by nothing: by a millionth of the mean variance instead."""
    covariance = 4.0 * np.eye(128)[None]
    covariance[0, 5, 5] = 0.0
    given = TrainedFsAe(autoencoder, covariance, SAMPLES)
    precisions = FsAeModel(given, "mahalanobis").precisions[0].diagonal()
    assert precisions[5].item() == pytest.approx(1e6 / (4.0 * 127 / 128), rel=1e-4)
    assert precisions[6].item() == pytest.approx(0.25, rel=1e-4)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_machine(tmp_path / "data", "fan", 300.0, clips=5)
    write_machine(tmp_path / "data", "pump", 500.0, clips=5)
    return tmp_path / "data"


@pytest.mark.parametrize("score", ["mse", "mahalanobis"])
def test_the_whole_road(tmp_path: Path, data: Path, score: str) -> None:
    """The model that runs on the device gives what PyTorch gives, and says what it is."""
    output = tmp_path / "models"
    assert train_in(data, output, machines=["fan"]) == [output / "fan.pt"]
    module, info = build_fs_ae(output / "fan.pt", score)
    export_model(module, info, tmp_path / "fan.onnx")
    model = Model(tmp_path / "fan.onnx", threads=1)
    assert model.info.recipe == ("fs-ae" if score == "mse" else "fs-ae-mahalanobis")
    assert (model.info.scorer, model.info.reconstruction, model.info.dimensions) == ("reconstruction", True, 8)
    window = read_windows(next((data / "pump" / "train").iterdir()), SAMPLES)[0]
    model_output = model.embed(window)
    with torch.no_grad():
        embedding, error = module(torch.from_numpy(window[None]))
    np.testing.assert_allclose(model_output.embedding, embedding[0].numpy(), rtol=1e-4, atol=1e-4)
    assert model_output.reconstruction_error == pytest.approx(error.item(), rel=1e-4)


def test_each_machine_gets_its_own_and_the_same_seed_the_same_bits(tmp_path: Path, data: Path) -> None:
    first = train_in(data, tmp_path / "first")
    second = train_in(data, tmp_path / "second")
    assert [path.name for path in first] == ["fan.pt", "pump.pt"]
    fan, pump, again = (torch.load(path) for path in (*first, second[0]))
    assert all(torch.equal(fan[name], again[name]) for name in fan)
    assert not torch.equal(fan["covariances"], pump["covariances"])
    history = torch.load(tmp_path / "first" / "fan.run" / "checkpoint.pt")["history"]
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_a_damaged_clip_is_named_or_skipped_and_counted(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = sorted((data / "fan" / "train").iterdir())
    clips[2].write_bytes(b"damaged")
    with pytest.raises(SoundError) as raised:
        train_in(data, tmp_path / "models")
    assert str(clips[2]) in raised.value.got
    caplog.set_level("INFO")
    train_in(data, tmp_path / "models", skip_damaged=True)
    assert [line for line in caplog.messages if str(clips[2]) in line]
    assert '"damaged": 1' in (tmp_path / "models" / "fan.run" / "run.json").read_text()
    for clip in clips:
        clip.write_bytes(b"damaged")
    with pytest.raises(InputError, match="no training clip that can be read"):
        train_in(data, tmp_path / "none", skip_damaged=True)


def test_a_window_must_hold_one_vector(tmp_path: Path, data: Path) -> None:
    """Five frames every 512 samples: 2048 samples are 0.128 s."""
    with pytest.raises(InputError, match="shorter than the frames of one vector") as raised:
        train_in(data, tmp_path / "models", window_s=0.127)
    assert raised.value.valid == "0.128 s or more"
    assert not (tmp_path / "models").exists()
    assert train_in(data, tmp_path / "models", epochs=1, window_s=0.128, machines=["fan"])


def test_other_weights_are_refused(tmp_path: Path, autoencoder: FirstShotAutoencoder) -> None:
    path = tmp_path / "fan.pt"
    whole = trained(autoencoder, 2).to_dict()
    torch.save(whole, path)
    np.testing.assert_allclose(load_fs_ae(path).covariances, trained(autoencoder, 2).covariances, rtol=1e-6)
    with pytest.raises(InputError, match="no score of that name"):
        build_fs_ae(path, "median")
    for name in ("covariances", "encoder.0.weight", "encoder.1.running_mean"):
        torch.save({key: value for key, value in whole.items() if key != name}, path)
        with pytest.raises(ModelError, match=f"lacks a weight: {name}"):
            build_fs_ae(path)
