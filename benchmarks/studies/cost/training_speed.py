"""How fast systems are trained.

Patch features are computed of a few generated clips. Training then runs on a store of random features of the same
size, as neither its speed nor that of reading depends on their values.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import torch

from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.calibration.atomic_files import file_sha256
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.dcase.data_set import Clip, read_data_set
from asd_edge.calibration.settings import Setting, settings
from asd_edge.calibration.wording import counted
from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.feature_store import FeatureData, FeatureKind, FeatureStore, extract
from asd_edge.export.systems.beats_asp import AspSettings
from asd_edge.export.systems.beats_asp.training import AspTraining
from asd_edge.export.training.class_tasks import Tasks
from asd_edge.export.training.clips import read_training_clips
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.trainer import computer, train

_EXTRACTED = 8
_TRAINED = 256
_EPOCHS = 3
_TYPES = ("fan", "pump", "valve")


@settings
class TrainingSpeedSettings:
    """What features are computed with."""

    checkpoint: Annotated[Path, Setting("The path of a BEATs checkpoint, as Microsoft publishes it.")]


def training_speed(wanted: TrainingSpeedSettings) -> None:
    """How fast features of BEATs are computed, and beats-asp is trained."""
    checkpoint = wanted.checkpoint
    say(f"{describe_host()}, torch {torch.__version__}, {counted(torch.get_num_threads(), 'thread')}")
    encoder = load_beats(checkpoint)
    kind = FeatureKind(
        file_sha256(checkpoint), len(encoder.layers), encoder.samples, "1", encoder.patches, encoder.dimensions
    )
    say(f"features of a clip: {kind.patches} x {kind.width} in half precision, {kind.window_bytes / 1e6:.3f} MB")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_clips(root / "data")
        clips = [each for found in read_training_clips(root / "data").values() for each in found]
        store = FeatureStore(root / "features", kind)
        extract(clips[:1], store, encoder, 1, DamagedClips(False))  # the first is slower
        began = time.perf_counter()
        extract(clips, store, encoder, 1, DamagedClips(False))
        took_s = time.perf_counter() - began
        say(f"features computed: {(len(clips) - 1) / took_s:.2f} clips a second")
        on_disk = sum(path.stat().st_size for path in (root / "features").glob("*.npy")) / len(clips)
        say(f"on disk: {on_disk / 1e6:.3f} MB a clip")
        _train(root, kind, [clip for found in read_data_set(root / "data").values() for clip in found])


def _train(root: Path, kind: FeatureKind, clips: list[Clip]) -> None:
    store = FeatureStore(root / "random", kind)
    rng = np.random.default_rng(0)
    names = [f"{index:064x}" for index in range(_TRAINED)]
    for name in names:
        store.write(name, rng.standard_normal((1, kind.patches, kind.width), np.float32).astype(np.float16))
    settings = AspSettings(data=root, output=root / "asp.pt", checkpoint=root / "beats.pt", epochs=_EPOCHS)
    tasks = Tasks.of(clips, settings.weight)
    labels = tasks.labels(clips[index % len(clips)] for index in range(_TRAINED))
    run = RunFolder(root / "run", {}, resume=False)
    began = time.perf_counter()
    samples = FeatureData(store, names, labels)
    train(lambda: AspTraining(kind.width, tasks, settings), samples, settings, run, computer("cpu"))
    took_s = time.perf_counter() - began
    say(f"trained, batch {settings.batch}: {_EPOCHS * _TRAINED / took_s:.1f} clips a second")


def _write_clips(data: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(_EXTRACTED):
        folder = data / _TYPES[index % len(_TYPES)] / "train"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"section_00_source_train_normal_{index:04d}_speed_{index // len(_TYPES)}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(10 * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
