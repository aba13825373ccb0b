"""Which clips of a data set are evaluated, and how: found out before the work begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from asd_edge.benchmarks.evaluation.settings import EvaluateSettings
from asd_edge.calibration.audio.damaged_clips import DamagedClips
from asd_edge.calibration.audio.sound_file import SoundFile
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.dcase.data_set import Clip, Split
from asd_edge.calibration.errors import InputError, SoundError

log = logging.getLogger(__name__)


class UsableClips:
    """Finds out before the work begins which clips can be used, by reading all of them.

    Args:
        settings: What is done about clips that do not fit.
        progress: Called with how far it is.
    """

    def __init__(self, settings: EvaluateSettings, progress: Callable[[str], None]) -> None:
        self._settings = settings
        self._progress = progress

    def of(self, machine: str, clips: Sequence[Clip], samples: int) -> list[Clip]:
        """Choose the training and test clips of a machine that can be used.

        Args:
            machine: The name of the machine.
            clips: All clips of the machine.
            samples: The length of a window in samples at 16 kHz.

        Raises:
            InputError: A clip cannot be read and is not to be skipped, or those that are left do not suffice.
        """
        usable: list[Clip] = []
        damaged = DamagedClips(self._settings.skip_damaged)
        short = 0
        for number, clip in enumerate(clips, start=1):
            if clip.split == "supplemental":
                continue
            self._progress(f"{machine}: {number} of {len(clips)} clips read")
            try:
                fills = self._read(clip.path, samples)
            except SoundError as error:
                damaged.add(error)
                continue
            if fills or self._settings.short == "repeat":
                usable.append(clip)
            else:
                short += 1
        for count, why in (
            (damaged.count, "cannot be used"),
            (short, f"are shorter than {samples / SAMPLE_RATE_HZ:g} s"),
        ):
            if count:
                log.info("%s: %d of %d clips left out, because they %s", machine, count, len(clips), why)
        _require_both_splits(machine, usable)
        return usable

    def _read(self, path: Path, samples: int) -> bool:
        """Read all of a clip, and say whether it fills a window."""
        read_windows(path, samples, self._settings.channel)
        with SoundFile(path) as opened:
            return bool(opened.frames / opened.rate_hz >= samples / SAMPLE_RATE_HZ - 1e-6)


def _require_both_splits(machine: str, clips: Sequence[Clip]) -> None:
    if not of_split(clips, "train"):
        raise InputError(
            "The machine has no training clips left.",
            got=machine,
            valid=f"{MIN_INDEPENDENT_WINDOWS} windows of its normal sound, or more",
            next_step="add training clips, or move this machine out of the folder",
        )
    require_labels(machine, of_split(clips, "test"))


def require_labels(machine: str, test: Sequence[Clip]) -> None:
    """Refuse test clips that do not tell normal from anomalous, unless none of them has a label."""
    silent = [clip for clip in test if not clip.label]
    if silent and len(silent) < len(test):
        raise InputError(
            "Some of the machine's test clips have a label, and this one has none.",
            got=silent[0].path,
            valid="labels in the names of all test clips, or of none",
            next_step="rename it or move it out of this folder",
        )
    anomalies = sum(clip.label == "anomaly" for clip in test)
    if not silent and not 0 < anomalies < len(test):
        raise InputError(
            "The machine's test clips do not tell normal from anomalous.",
            got=f"{machine}: {len(test) - anomalies} normal and {anomalies} anomalous clips that can be scored",
            valid="at least one of each in its test folder",
            next_step="add some, or move this machine out of the folder",
        )


def of_split(clips: Sequence[Clip], split: Split) -> list[Clip]:
    """Choose the clips of one split."""
    return [clip for clip in clips if clip.split == split]
