"""The first-shot autoencoder [FS-AE]: the modules, what is trained, and what the device runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import file_sha256, make_folder
from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError
from asd_edge.export.layers.slaney import HOP_SAMPLES, MEL_BINS, SlaneyLogMel
from asd_edge.export.weights_file import check_weights, read_weights

NAME = "fs-ae"
FRAMES = 5
"""The number of frames of the spectrogram in one vector."""
VECTOR = FRAMES * MEL_BINS
SHORTEST_SAMPLES = (FRAMES - 1) * HOP_SAMPLES
"""The length of a window that gives one vector: its first frame is centred at its start, the last at its end."""
LATENT = 8
"""The width of the latent vectors."""
_HIDDEN = 128
_NORM_MOMENTUM, _NORM_EPSILON = 0.01, 1e-3
"""The momentum and the epsilon of batch normalisation, as in the authors' program."""
_RIDGE = 1e-6
"""What is added to the diagonal of a covariance, relative to its mean variance, so that it has an inverse."""
_TRAIN_ONE = "train one with `asd-edge train fs-ae`"

SCORES = ("mse", "mahalanobis")
"""The errors of a window, which `FsAeModel` explains."""


class FirstShotAutoencoder(nn.Module):
    """640-128-128-128-128-8-128-128-128-128-640, with batch normalisation and ReLU after all layers but the last."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_layers(VECTOR, *[_HIDDEN] * 4, LATENT))
        self.decoder = nn.Sequential(*_layers(LATENT, *[_HIDDEN] * 4), nn.Linear(_HIDDEN, VECTOR))

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Rebuild vectors ``(batch, 640)``, and give the latent vectors ``(batch, 8)`` as well."""
        latent = self.encoder(vectors)
        return self.decoder(latent), latent


class FsAeTraining(nn.Module):
    """The mean squared error of rebuilding, in decibels squared."""

    def __init__(self) -> None:
        super().__init__()
        self.autoencoder = FirstShotAutoencoder()

    def forward(self, vectors: Tensor) -> dict[str, Tensor]:
        """The loss of vectors ``(batch, 640)``."""
        return {"loss": nn.functional.mse_loss(self.autoencoder(vectors)[0], vectors)}


class VectorData:
    """Vectors of five frames each from whole spectrograms, to train on.

    Args:
        spectrograms: The spectrograms in decibels, ``(windows, frames, 128)``.
    """

    def __init__(self, spectrograms: NDArray[np.float32]) -> None:
        self._spectrograms = spectrograms
        self._vectors: int = spectrograms.shape[1] - FRAMES + 1

    def __len__(self) -> int:
        return len(self._spectrograms) * self._vectors

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor]:
        """Give the vectors of these rows, ``(rows, 640)``, frame after frame."""
        window, first = np.divmod(rows, self._vectors)
        frames = self._spectrograms[window[:, None], first[:, None] + np.arange(FRAMES)]
        return (torch.from_numpy(frames.reshape(len(rows), VECTOR)),)


def residual_covariance(autoencoder: FirstShotAutoencoder, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The covariance of what rebuilding misses, over all frames of all vectors: ``(128, 128)``.

    A vector's five frames count as five residuals of 128 mel bins, as in the authors' program; theirs divides by the
    number of vectors instead, which scales every score by the same.

    Args:
        autoencoder: The trained autoencoder.
        windows: The spectrograms of the windows, ``(windows, frames, 128)``.
    """
    data = VectorData(windows)
    total = np.zeros((MEL_BINS, MEL_BINS))
    sums = np.zeros(MEL_BINS)
    count = 0
    for rows in np.array_split(np.arange(len(data)), max(1, len(data) // 4096)):
        (vectors,) = data[rows]
        with torch.no_grad():
            missed = (vectors - autoencoder(vectors)[0]).reshape(-1, MEL_BINS).numpy().astype(np.float64)
        total += missed.T @ missed
        sums += missed.sum(axis=0)
        count += len(missed)
    return np.asarray((total - np.outer(sums, sums) / count) / (count - 1))


@dataclass(frozen=True)
class TrainedFsAe:
    """What the training of one machine gives."""

    autoencoder: FirstShotAutoencoder
    """the trained autoencoder"""
    covariances: NDArray[np.float64]
    """the covariances of the residuals of each domain in training, source before target: ``(1 or 2, 128, 128)``"""
    samples: int
    """the length of the window in samples at 16 kHz"""

    def to_dict(self) -> dict[str, Tensor]:
        """The content of the file, for `write_weights`."""
        return {
            **self.autoencoder.state_dict(),
            "covariances": torch.from_numpy(self.covariances),
            "samples": torch.tensor(float(self.samples)),
        }


def load_fs_ae(path: Path) -> TrainedFsAe:
    """Read what `TrainedFsAe.to_dict` gives.

    Args:
        path: The ``.pt`` file. Nothing in it is executed.

    Raises:
        ModelError: The file cannot be read or is not a trained autoencoder.
    """
    what = "a trained autoencoder"
    loaded = dict(read_weights(path, what, _TRAIN_ONE))
    module = FirstShotAutoencoder()
    state = module.state_dict()
    batches = [name for name in state if name.endswith("num_batches_tracked")]
    for name in batches:  # these are whole numbers, which inference does not need
        loaded.pop(name, None)
    shapes = {name: tuple(weight.shape) for name, weight in state.items() if name not in batches}
    stored = loaded.get("covariances")
    domains = len(stored) if isinstance(stored, Tensor) and stored.ndim == 3 else 1
    shapes |= {"covariances": (domains, MEL_BINS, MEL_BINS), "samples": ()}
    weights = check_weights(loaded, iter(shapes.items()), path, _TRAIN_ONE)
    covariances, samples = weights.pop("covariances"), weights.pop("samples")
    module.load_state_dict(weights, strict=False)
    return TrainedFsAe(module.eval(), covariances.double().numpy(), int(samples))


class FsAeModel(nn.Module):
    """From sound to the reconstruction error of a window, front end included.

    Unlike the weights of other models, these are of one machine: each machine has a model of its own.

    With r_t the residuals of all frames of all vectors and r their mean, the error is, as in the authors' program::

        mse          mean over t and mel bins of r_t^2
        mahalanobis  min over the domains of r' C^-1 r,   C the covariance of that domain's residuals in training

    The embedding is the mean of the latent vectors.

    Args:
        trained: The trained autoencoder and its covariances.
        score: The error of a window, one of `SCORES`.
    """

    def __init__(self, trained: TrainedFsAe, score: str) -> None:
        super().__init__()
        self.spectrogram = SlaneyLogMel()
        self.autoencoder = trained.autoencoder
        self.score = score
        self.vectors = self.spectrogram.frames(trained.samples) - FRAMES + 1
        scale = np.trace(trained.covariances, axis1=1, axis2=2)[:, None, None] / MEL_BINS
        precisions = np.linalg.inv(trained.covariances + _RIDGE * scale * np.eye(MEL_BINS))
        self.register_buffer("precisions", torch.from_numpy(precisions.astype(np.float32)))
        self.precisions: Tensor

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Embed ``(batch, samples)``: the embeddings ``(batch, 8)`` and the reconstruction errors ``(batch,)``."""
        frames = self.spectrogram(waveform).transpose(1, 2)  # (batch, frames, 128)
        vectors = torch.cat([frames[:, first : first + self.vectors] for first in range(FRAMES)], dim=2)
        rebuilt, latent = self.autoencoder(vectors.reshape(-1, VECTOR))
        missed = (vectors.reshape(-1, VECTOR) - rebuilt).reshape(-1, self.vectors * FRAMES, MEL_BINS)
        embedding = latent.reshape(-1, self.vectors, LATENT).mean(dim=1)
        if self.score == "mse":
            return embedding, missed.square().mean(dim=(1, 2))
        mean = missed.mean(dim=1)  # (batch, 128)
        distances = (torch.matmul(mean, self.precisions) * mean).sum(dim=2)  # (domains, batch)
        return embedding, distances.amin(dim=0)


def build_fs_ae(weights: Path, score: str = "mse") -> tuple[FsAeModel, ModelInfo]:
    """Make the module to export, and what its file says of itself.

    Args:
        weights: The file of one machine that `asd-edge train fs-ae` wrote.
        score: The error of a window, one of `SCORES`: ``mahalanobis`` is the selective Mahalanobis mode.

    Raises:
        InputError: There is no such score.
        ModelError: The weights cannot be used.
    """
    if score not in SCORES:
        raise InputError(
            "There is no score of that name.", got=score, valid=", ".join(SCORES), next_step="choose one with --score"
        )
    trained = load_fs_ae(weights)
    module = FsAeModel(trained, score)
    recipe = NAME if score == "mse" else f"{NAME}-{score}"
    info = ModelInfo(
        recipe,
        trained.samples,
        LATENT,
        scorer="reconstruction",
        checkpoint_sha256=file_sha256(weights),
        reconstruction=True,
    )
    return module.eval(), info


def model_paths(weights: Path, output: Path) -> list[tuple[Path, Path]]:
    """Pair the trained autoencoders with the model files that they become.

    Args:
        weights: The file of one machine, or the folder that training wrote, with the files of all machines.
        output: The model file; for a folder of weights, the folder for ``<machine>.onnx``.

    Raises:
        InputError: The folder holds no weights, or the one for the models cannot be made.
    """
    if not weights.is_dir():
        return [(weights, output)]
    found = sorted(path for path in weights.glob("*.pt") if path.is_file())
    if not found:
        raise InputError(
            "The folder holds no trained autoencoders.", got=weights, valid="<machine>.pt files", next_step=_TRAIN_ONE
        )
    make_folder(output, "the models", "--output")
    return [(path, output / f"{path.stem}.onnx") for path in found]


def _layers(*widths: int) -> list[nn.Module]:
    return [
        part
        for before, after in pairwise(widths)
        for part in (nn.Linear(before, after), nn.BatchNorm1d(after, _NORM_EPSILON, _NORM_MOMENTUM), nn.ReLU())
    ]
