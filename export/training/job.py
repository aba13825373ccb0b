"""The story that all trainers share: from a data set to trained weights, stopped and resumed at any moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd_edge.calibration import plugins
from asd_edge.calibration.atomic_files import check_writable, make_folder
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.export.training.settings import LoopSettings, TrainSettings, values_of

if TYPE_CHECKING:
    import lightning_fabric
    from torch import nn

    from asd_edge.calibration.contract.model_info import ModelInfo
    from asd_edge.export.training.clips import TrainingClip
    from asd_edge.export.training.trainer import TrainingData

log = logging.getLogger(__name__)


class ExportSettings:
    """The settings of an export. A subclass, made with `settings`, is one export: its options and what it writes.

    The first line of its documentation is the help of ``asd-edge export``.
    """

    def write(self) -> Iterable[tuple[ModelInfo, Path]]:
        """Write the model files, whole or not at all, and say what each is and where."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it writes")


@dataclass(frozen=True)
class System:
    """What an entry point of the group ``asd_edge.systems`` leads to: settings that train, that export, or both.

    The module that holds it imports nothing heavy, as the help of ``asd-edge train`` and ``asd-edge export`` reads it.
    """

    train: type[TrainSettings] | None = None
    """the settings of its training; none where it needs no training"""
    export: type[ExportSettings] | None = None
    """the settings of its export; none where it is no model of its own"""


@dataclass(frozen=True)
class Job:
    """One module to train."""

    description: str
    """what is trained on what, in words"""
    output: Path
    """the file that the trained module is written to; the run is kept beside it"""
    provenance: Mapping[str, Any]
    """what the run is made of, see `Preparation.provenance`: it goes on with nothing else"""
    data: TrainingData
    """the samples to train on"""
    build: Callable[[], nn.Module]
    """the function that makes the module, with its first weights drawn from PyTorch's own generator"""
    write: Callable[[nn.Module], None]
    """the function that writes the trained module to the output"""
    rate_of: Callable[[str], float] = lambda _: 1.0
    """the function from the name of a weight to its learning rate, relative to that of the settings"""


class Preparation:
    """What is the same for the jobs of every system: the clips, the processor and the provenance.

    Args:
        chosen: The settings of the system.
        fabric: The processor that computes.

    Attributes:
        fabric: The processor that computes.
        damaged: The count of the clips that cannot be read; the first one stops the work unless they are skipped.
    """

    def __init__(self, chosen: TrainSettings, fabric: lightning_fabric.Fabric) -> None:
        self._settings = chosen
        self.fabric = fabric
        self.damaged = DamagedClips(chosen.skip_damaged)

    def clips(self, machines: Iterable[str] = ()) -> dict[str, tuple[TrainingClip, ...]]:
        """The training clips of the data set by machine.

        Args:
            machines: The names of the machines that are wanted; all machines when left out.

        Raises:
            InputError: The folder does not fit the layout of DCASE Task 2, or there is no machine of that name.
            SoundError: A file cannot be read.
        """
        from asd_edge.export.training.clips import read_training_clips

        log.info("Reading %s ...", self._settings.data)
        return read_training_clips(self._settings.data, machines)

    def all_clips(self) -> list[TrainingClip]:
        """The training clips of all machines; raises what `clips` raises."""
        return [each for found in self.clips().values() for each in found]

    def provenance(
        self, system: str, own: Mapping[str, Any], used: Iterable[TrainingClip], **more: Any
    ) -> dict[str, Any]:
        """What a run is made of, for `Job.provenance`.

        Args:
            system: The name of the system.
            own: Whatever else decides what is learned: the system's settings, the front end. It must fit into JSON.
            used: The clips that are learned from.
            more: Further facts about the data.
        """
        from asd_edge.export.training.clips import data_digest

        clips = list(used)
        data = {"sha256": data_digest(clips), "clips": len(clips), "damaged": self.damaged.count, **more}
        return {"system": system, **own, "training": values_of(self._settings, LoopSettings), "data": data}


def train(chosen: TrainSettings, jobs: Iterable[Job] | None = None) -> list[Path]:
    """Train a system, from a data set to the files that its export reads.

    Beside every output, ``<name>.run`` keeps the run, which goes on after any stop with the same settings and `resume`.

    Args:
        chosen: The settings of the system, such as `asd_edge.export.systems.fs_ae.FsAeSettings`.
        jobs: The modules to train; the jobs of the system when left out.

    Returns:
        The files that were written; the list is empty in all processes but the first.

    Raises:
        InputError: There is nothing to learn, the output cannot be written, or as
            `asd_edge.export.training.trainer.train` says.
        SoundError: A clip is damaged, and damaged clips are not skipped.
        ModelError: A checkpoint that the system needs cannot be used.
    """
    from asd_edge.export.training.run_folder import RunFolder
    from asd_edge.export.training.trainer import computer
    from asd_edge.export.training.trainer import train as train_module

    if chosen.output_is_folder:
        make_folder(chosen.output, "the trained weights", "--output")
    else:
        check_writable(chosen.output)
    fabric = computer(chosen.accelerator, chosen.processes, chosen.mixed_precision)
    if not fabric.is_global_zero:
        logging.getLogger("asd_edge").setLevel(logging.WARNING)  # the first process speaks for all
    written = []
    try:
        for job in chosen.jobs(Preparation(chosen, fabric)) if jobs is None else jobs:
            check_writable(job.output)
            log.info(job.description)
            run = RunFolder(job.output.with_suffix(".run"), job.provenance, chosen.resume)
            module = train_module(job.build, job.data, chosen, run, fabric, chosen.workers, job.rate_of)
            if fabric.is_global_zero:
                job.write(module)
                written.append(job.output)
    except KeyboardInterrupt:
        log.warning("Stopped: the same command with --resume goes on after the last whole epoch.")
        raise
    return written


def systems(part: str) -> Iterator[tuple[str, Any]]:
    """The systems that are trained or exported: their names and the class of their settings.

    Args:
        part: ``train`` or ``export``.
    """
    for name in plugins.names("systems"):
        settings_class = system_settings(name, part)
        if settings_class is not None:
            yield name, settings_class


def system_settings(name: str, part: str) -> Any:
    """The class of the settings that train or export one system; none where there is no such system or part.

    Args:
        name: The name of the system.
        part: ``train`` or ``export``.
    """
    if name not in plugins.names("systems"):
        return None
    return getattr(plugins.load("systems", name, f"asd-edge {part}"), part)
