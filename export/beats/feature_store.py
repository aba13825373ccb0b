"""Patch features of frozen BEATs, computed once and kept on disk."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asd_edge.calibration.atomic_files import check_writable, make_folder, write_whole
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.sound_file import SoundFile
from asd_edge.calibration.audio.windowing import read_windows, window_starts
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.errors import InputError, ModelError, SoundError
from asd_edge.export.beats.encoder import Beats
from asd_edge.export.training.clips import TrainingClip
from asd_edge.export.training.disk_room import OVERHEAD, require_room, size_in_words
from asd_edge.export.training.progress import progress_bar

log = logging.getLogger(__name__)

Features = NDArray[np.float16]
"""The features of a clip, ``(windows, patches, width)``."""

_DESCRIPTION = "features.json"


@dataclass(frozen=True)
class FeatureKind:
    """What the features of a store were computed from, and how. A store takes no features of another kind."""

    checkpoint_sha256: str
    """the digest of the BEATs checkpoint"""
    layers: int
    """the number of encoder layers that were kept"""
    samples: int
    """the length of a window in samples at 16 kHz"""
    channel: str
    """the channel of the sound files: a number from 1, or ``mix``"""
    patches: int
    """the number of patches in one window"""
    width: int
    """the number of features of one patch"""

    @classmethod
    def of(cls, encoder: Beats, checkpoint_sha256: str, channel: Channel) -> FeatureKind:
        """Describe the features of an encoder that was loaded from the checkpoint with this digest."""
        return cls(
            checkpoint_sha256=checkpoint_sha256,
            layers=len(encoder.layers),
            samples=encoder.samples,
            channel=str(channel),
            patches=encoder.patches,
            width=encoder.dimensions,
        )

    @property
    def window_bytes(self) -> int:
        """The disk space of the features of one window in bytes."""
        return self.patches * self.width * np.dtype(np.float16).itemsize


class FeatureStore:
    """A folder with one ``.npy`` file of float16 for each clip, named by the SHA-256 of the sound file's content.

    A file appears when it is whole, so that the work can stop at any moment and go on later. Reading maps a file into
    memory and takes what is asked for.

    Args:
        folder: The folder, which is made when it is missing.
        kind: The kind of features that the store keeps.

    Raises:
        InputError: The folder cannot be used, or holds features of another kind.
    """

    def __init__(self, folder: Path, kind: FeatureKind) -> None:
        self.folder = folder
        self.kind = kind
        make_folder(folder, "the features", "--features")
        check_writable(folder / _DESCRIPTION)
        description = folder / _DESCRIPTION
        if not description.exists():
            if any(not item.name.startswith(".") for item in folder.iterdir()):
                raise InputError(
                    "The folder for the features holds something else.",
                    got=folder,
                    valid="a new folder, or one that holds features",
                    next_step="name another folder with --features",
                )
            with write_whole(description) as file:
                file.write(json.dumps(asdict(kind), indent=2).encode())
            return
        try:
            there = json.loads(description.read_text(encoding="utf-8"))
            differing = {name: there[name] for name, value in asdict(kind).items() if there[name] != value}
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"The description of the features cannot be read: {error!r}.",
                got=description,
                valid="what this program wrote",
                next_step="name another folder with --features",
            ) from error
        if differing:
            name, value = next(iter(differing.items()))
            raise InputError(
                "The features in this folder are of another checkpoint, or were made in another way.",
                got=f"{folder}: {name.replace('_', ' ')} {value}",
                valid=f"{name.replace('_', ' ')} {getattr(kind, name)}",
                next_step="name another folder with --features, or give what these features were made with",
            )

    def __contains__(self, sha256: str) -> bool:
        return self._path(sha256).exists()

    def read(self, sha256: str) -> Features:
        """Give the features of a clip, mapped into memory: ``(windows, patches, width)``.

        Raises:
            InputError: The file of the features is missing or damaged.
        """
        path = self._path(sha256)
        try:
            features: Features = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(path, str(error)) from error
        if features.shape[1:] != (self.kind.patches, self.kind.width) or features.dtype != np.float16:
            raise self._damaged(path, f"{features.dtype} of shape {features.shape}")
        return features

    def write(self, sha256: str, features: Features) -> None:
        """Keep the features of a clip, ``(windows, patches, width)``.

        Raises:
            InputError: The disk is full.
        """
        with write_whole(self._path(sha256)) as file:
            np.save(file, features, allow_pickle=False)

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.npy"

    def _damaged(self, path: Path, reason: str) -> InputError:
        return InputError(
            "Features of a clip cannot be read.",
            got=f"{path}: {reason}",
            valid=f"float16 of shape (windows, {self.kind.patches}, {self.kind.width})",
            next_step="delete this file: it is computed again",
        )


def extract(
    clips: Sequence[TrainingClip],
    store: FeatureStore,
    encoder: Beats,
    channel: Channel,
    damaged: DamagedClips,
) -> tuple[TrainingClip, ...]:
    """Compute the features that the store does not have yet.

    They are computed window by window, so that a stop in the middle changes nothing in what comes out.

    Args:
        clips: The clips whose features are wanted.
        store: The store that keeps the features.
        encoder: The frozen encoder, which computes on the device where it is.
        channel: The channel of the sound files, which is also in the store's kind.
        damaged: The count of the clips that cannot be read; it may refuse the first.

    Returns:
        The clips whose features are there now.

    Raises:
        InputError: The disk has too little room, or becomes full.
        SoundError: A clip is damaged, and damaged clips are not skipped.
        ModelError: A feature is not a finite number in half precision.
    """
    usable = []
    missing: dict[str, TrainingClip] = {}
    windows = 0
    for each in clips:
        if each.sha256 not in store and each.sha256 not in missing:
            try:
                windows += _count_windows(each.clip.path, store.kind.samples)
            except SoundError as error:
                damaged.add(error)
                continue
            missing[each.sha256] = each
        usable.append(each)
    if missing:
        _require_room(store, len(missing), windows)
    unread = set()
    device = next(encoder.buffers()).device
    with progress_bar(hidden=not missing) as bar:
        task = bar.add_task("features", total=len(missing))
        for sha256, each in missing.items():
            try:
                heard = read_windows(each.clip.path, store.kind.samples, channel)
            except SoundError as error:
                damaged.add(error)
                unread.add(sha256)
                continue
            with torch.no_grad():
                found = [encoder(torch.from_numpy(window[None]).to(device)).cpu().numpy() for window in heard]
            store.write(sha256, _halved(np.concatenate(found), each.clip.path))
            bar.advance(task)
    return tuple(each for each in usable if each.sha256 not in unread)


class FeatureData:
    """Windows of clips with their labels, to train on: features are read when they are asked for.

    Args:
        store: The store that has the features.
        clips: The digests of the clips.
        labels: The class of each clip in each task, ``(clips, tasks)``.
    """

    def __init__(self, store: FeatureStore, clips: Iterable[str], labels: NDArray[np.int64]) -> None:
        self._store = store
        self._windows = [
            (sha256, window, clip) for clip, sha256 in enumerate(clips) for window in range(len(store.read(sha256)))
        ]
        self._labels = labels

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the features ``(rows, patches, width)`` in half precision, and the labels ``(rows, tasks)``."""
        features = np.empty((len(rows), self._store.kind.patches, self._store.kind.width), np.float16)
        chosen = [self._windows[row] for row in rows]
        for place, (sha256, window, _) in enumerate(chosen):
            features[place] = self._store.read(sha256)[window]
        return torch.from_numpy(features), torch.from_numpy(self._labels[[clip for _, _, clip in chosen]])


def _count_windows(path: Path, samples: int) -> int:
    """Count the windows of a clip by the length that its header tells."""
    with SoundFile(path) as opened:
        return len(window_starts(opened.frames * SAMPLE_RATE_HZ // opened.rate_hz, samples))


def _require_room(store: FeatureStore, clips: int, windows: int) -> None:
    needed = int(windows * store.kind.window_bytes * OVERHEAD)
    free = shutil.disk_usage(store.folder).free
    log.info(
        "Features of %d clips are computed once: %s in %s, %s are free.",
        clips,
        size_in_words(needed),
        store.folder,
        size_in_words(free),
    )
    require_room(
        store.folder,
        free,
        needed,
        "the features",
        valid=f"{size_in_words(needed)}, {size_in_words(store.kind.window_bytes)} a window",
        next_step="free some space, or name a folder on another disk with --features",
    )


def _halved(features: NDArray[np.float32], path: Path) -> Features:
    """Convert features to half precision. BEATs ends in a layer norm: features of order one stay in its range."""
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    if not np.isfinite(half).all():
        raise ModelError(
            "BEATs gives features that are no numbers of half precision.",
            got=f"{path}: up to {np.abs(features).max():g}",
            valid=f"finite numbers up to {np.finfo(np.float16).max:g}",
            next_step="check the checkpoint, and listen to this clip",
        )
    return half
