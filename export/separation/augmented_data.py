"""Writing a data set with new training clips: separate, recombine, and say what was made from what."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd_edge.calibration.atomic_files import file_sha256, make_folder, write_whole
from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.csv_text import csv_bytes
from asd_edge.calibration.dcase.attributes import Attributes, read_attribute_table
from asd_edge.calibration.errors import InputError, ModelError, SoundError
from asd_edge.export.separation.augmentation import Recipe, mixed, plan, recombine
from asd_edge.export.separation.mixtures import Sound, energy, read_sound
from asd_edge.export.separation.separator import load_separator
from asd_edge.export.separation.settings import AugmentSettings, RecipeSettings
from asd_edge.export.training.clips import TrainingClip, data_digest, read_training_clips
from asd_edge.export.training.disk_room import OVERHEAD, require_room, size_in_words
from asd_edge.export.training.progress import progress_bar
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.settings import values_of
from asd_edge.export.training.trainer import computer

log = logging.getLogger(__name__)

SYSTEM = "augment"
TABLE = "augmented.csv"
_COLUMNS = ("file", "foreground", "background", "snr_db", "mixed_in", "share")
_SAMPLE_BYTES = 2
"""The bytes of a sample, both in a foreground that is kept, in half precision, and in a clip that is written, PCM of 16
bits."""

Clips = Mapping[str, Sequence[TrainingClip]]
"""The training clips of each machine, by its name."""


@dataclass(frozen=True)
class Augmented:
    """The numbers of clips that were written."""

    made: int
    """the number of new clips"""
    originals: int
    """the number of original clips beside them"""


def augment(chosen: AugmentSettings) -> Augmented:
    """Write a data set with new training clips.

    It is made in ``<output>.run``, file by file, and each file appears when it is whole. When all files are there, the
    folder moves to its place. The same seed gives the same files. The new data set has ``train`` folders alone, and a
    table of what was made from what.

    Args:
        chosen: The settings: what is made, from what, and where.

    Raises:
        InputError: The data cannot be used, there is something at the output already, or the disk has too little room.
        ModelError: The separator cannot be used.
        SoundError: A clip is damaged, and damaged clips are not skipped.
    """
    data, output, channel = chosen.data, chosen.output, chosen.channel
    if not output.name or output.is_symlink() or (output.exists() and (not output.is_dir() or any(output.iterdir()))):
        raise InputError(
            "There is something at the output path already.",
            got=output,
            valid="a new folder, or an empty one",
            next_step="choose another --output, or move away what is there",
        )
    loaded = load_separator(chosen.separator)
    device = computer(chosen.accelerator).device
    loaded.network.to(device)
    log.info("Reading %s ...", data)
    clips, samples = _measured(read_training_clips(data), channel, DamagedClips(chosen.skip_damaged))
    recipes = plan(clips, chosen)
    everything = [each for found in clips.values() for each in found]
    provenance = {
        "system": SYSTEM,
        "settings": values_of(chosen, RecipeSettings),
        "separator": file_sha256(chosen.separator),
        "data": {"sha256": data_digest(everything), "clips": len(everything), "channel": str(channel)},
    }
    folder = output.with_name(f"{output.name}.run")
    originals = everything if chosen.originals != "none" else []
    copied = sum(each.clip.path.stat().st_size for each in originals) if chosen.originals == "copy" else 0
    kept_bytes = _SAMPLE_BYTES * sum(samples.values())
    made_bytes = _SAMPLE_BYTES * sum(samples[recipe.foreground.sha256] for recipe in recipes)
    make_folder(folder.parent, "the new clips", "--output")
    _require_room_for_run(folder, int((kept_bytes + made_bytes) * OVERHEAD) + copied)
    RunFolder(folder, provenance, chosen.resume).begin({"accelerator": device.type})
    foregrounds = _Foregrounds(folder / "foregrounds", channel)
    made = folder / "data"
    for needed in (foregrounds.folder, *{made / each.clip.machine_type / "train" for each in everything}):
        make_folder(needed, "the new clips", "--output")
    with progress_bar() as bar:
        task = bar.add_task("separating", total=len(everything))
        for each in everything:
            if each not in foregrounds:
                foregrounds.write(each, loaded.separate(read_sound(each.clip.path, channel))[0])
            bar.advance(task)
        task = bar.add_task("recombining", total=len(recipes))
        for recipe in recipes:
            path = made / recipe.foreground.clip.machine_type / "train" / recipe.name
            if not path.exists():
                _write_sound(path, _new_sound(recipe, foregrounds))
            bar.advance(task)
    for each in originals:
        path = made / each.clip.machine_type / "train" / each.clip.path.name
        _keep(each.clip.path.resolve(), path, chosen.originals)
    _write_attributes(data, made, recipes, originals)
    _write_table(made / TABLE, recipes)
    made.replace(output)
    shutil.rmtree(foregrounds.folder)
    return Augmented(len(recipes), len(originals))


class _Foregrounds:
    """The foregrounds of clips on disk, in half precision; a clip less its foreground is its background.

    A file is named by the SHA-256 of the clip's and appears when it is whole.
    """

    def __init__(self, folder: Path, channel: Channel) -> None:
        self.folder = folder
        self._channel = channel

    def __contains__(self, each: TrainingClip) -> bool:
        return self._path(each).exists()

    def write(self, each: TrainingClip, foreground: Sound) -> None:
        with np.errstate(over="ignore"):
            half = foreground.astype(np.float16)
        if not np.isfinite(half).all():
            raise ModelError(
                "The separator gives samples that are no numbers.",
                got=each.clip.path,
                valid="finite samples",
                next_step="train it again with a smaller --learning-rate, or leave this clip out",
            )
        with write_whole(self._path(each)) as file:
            np.save(file, half, allow_pickle=False)

    def read(self, each: TrainingClip) -> tuple[Sound, Sound]:
        """Read the foreground and the background of a clip, ``(samples,)`` each."""
        foreground = np.load(self._path(each), allow_pickle=False).astype(np.float32)
        return foreground, read_sound(each.clip.path, self._channel) - foreground

    def _path(self, each: TrainingClip) -> Path:
        return self.folder / f"{each.sha256}.npy"


def _measured(
    machines: Clips, channel: Channel, damaged: DamagedClips
) -> tuple[dict[str, list[TrainingClip]], dict[str, int]]:
    """Find the clips that can be read, and the number of samples of each at 16 kHz, by digest."""
    clips: dict[str, list[TrainingClip]] = {machine: [] for machine in machines}
    samples = {}
    for machine, found in machines.items():
        for each in found:
            try:
                samples[each.sha256] = len(read_sound(each.clip.path, channel))
            except SoundError as error:
                damaged.add(error)
                continue
            clips[machine].append(each)
    return clips, samples


def _require_room_for_run(folder: Path, needed: int) -> None:
    """Find out whether the disk has room for a run; files that a stopped run has left there are counted in."""
    there = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    missing, free = max(0, needed - there), shutil.disk_usage(folder.parent).free
    log.info("The disk needs %s in %s; %s are free.", size_in_words(missing), folder, size_in_words(free))
    require_room(
        folder,
        free,
        missing,
        "the new clips",
        valid=size_in_words(missing),
        next_step="free some space, choose an --output on another disk, or fewer --copies",
    )


def _new_sound(recipe: Recipe, foregrounds: _Foregrounds) -> Sound:
    foreground, background = foregrounds.read(recipe.foreground)
    loudness = energy(foreground + background)
    if recipe.mixed_in is not None:
        foreground = mixed(foreground, foregrounds.read(recipe.mixed_in)[0], recipe.share)
    return recombine(foreground, foregrounds.read(recipe.background)[1], recipe.snr_db, loudness)


def _write_sound(path: Path, sound: Sound) -> None:
    import soundfile

    buffer = io.BytesIO()  # written to directly, libsndfile hides what went wrong with the file
    soundfile.write(buffer, sound, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    with write_whole(path) as file:
        file.write(buffer.getbuffer())


def _keep(original: Path, path: Path, how: str) -> None:
    if path.exists():
        return
    if how == "copy":
        with write_whole(path) as file, original.open("rb") as source:
            shutil.copyfileobj(source, file)
        return
    try:
        path.symlink_to(original)
    except OSError as error:
        raise InputError(
            f"Cannot link an original clip: {error.strerror}.",
            got=path,
            valid="a disk that knows symbolic links",
            next_step="take --originals copy",
        ) from error


def _write_attributes(data: Path, made: Path, recipes: Iterable[Recipe], originals: Iterable[TrainingClip]) -> None:
    """Write a table of attributes for each machine that has some: a new clip has those of its foreground."""
    pairs = [(each.clip.path, each.clip.path.name) for each in originals]
    pairs += [(recipe.foreground.clip.path, recipe.name) for recipe in recipes]
    for folder in (path for path in made.iterdir() if path.is_dir()):
        for table in sorted((data / folder.name).glob("attributes_[0-9][0-9].csv")):
            attributes = read_attribute_table(table).rows
            rows = {
                f"{folder.name}/train/{name}": attributes[path.stem]
                for path, name in pairs
                if path.parent.parent.name == folder.name and path.stem in attributes
            }
            if rows:
                _write_attribute_table(folder / table.name, rows)


def _write_attribute_table(path: Path, rows: Mapping[str, Attributes]) -> None:
    most = max(1, *(len(attributes) for attributes in rows.values()))
    columns = ["file_name", *(f"d{number}{letter}" for number in range(1, most + 1) for letter in "pv")]
    lines = [[name, *(word for pair in attributes for word in pair)] for name, attributes in rows.items()]
    _write_csv(path, [columns, *([*line, *[""] * (len(columns) - len(line))] for line in lines)])


def _write_table(path: Path, recipes: Iterable[Recipe]) -> None:
    def path_of(each: TrainingClip | None) -> str:
        return f"{each.clip.machine_type}/train/{each.clip.path.name}" if each else ""

    lines = [
        (
            f"{recipe.foreground.clip.machine_type}/train/{recipe.name}",
            path_of(recipe.foreground),
            path_of(recipe.background),
            f"{recipe.snr_db:.2f}",
            path_of(recipe.mixed_in),
            f"{recipe.share:.3f}",
        )
        for recipe in recipes
    ]
    _write_csv(path, [_COLUMNS, *lines])


def _write_csv(path: Path, lines: Iterable[Sequence[str]]) -> None:
    with write_whole(path) as file:
        file.write(csv_bytes(lines))
