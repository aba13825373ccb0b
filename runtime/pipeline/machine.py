"""A machine that is listened to, and the score of one window of its sound."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.threshold import Threshold
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.drift.drift_watch import DriftWatch
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.scorer import Scorer
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.band_watch import BandWatch
from asd_edge.runtime.pipeline.drift_text import change_in_words, reason_of_alarm
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.model_of_bank import require_model_of
from asd_edge.runtime.pipeline.not_finite import not_finite, not_finite_output
from asd_edge.runtime.sources.source import Event, Source
from asd_edge.runtime.store.recorder import Recorder

Decision = Literal["normal", "anomaly"]
Stamp = tuple[int, int, int] | None
"""What changes where a file is replaced or written: its number, its size and its time; none where there is no file."""


@dataclass(frozen=True)
class Score:
    """What was found in one window."""

    machine: str
    """the name of the machine"""
    source: str
    """the path of the file or the name of the device"""
    start_s: float
    """when the window begins, in seconds since the start of the file or since the source was opened"""
    score: float
    """how strange the sound is by the bank's scorer; the higher, the stranger"""
    threshold: float
    """the score above which a window is anomalous"""
    decision: Decision
    level_dbfs: float
    """how loud the window is, in decibels relative to full scale"""
    alarm: bool = False
    """whether the alarm is on after this window"""
    repeated: bool = False
    """whether a recording shorter than the window was repeated to fill it"""


@dataclass(frozen=True)
class _Normal:
    """What is normal for a machine, as it is used at one moment."""

    bank: Bank
    threshold: Threshold
    scorer: Scorer
    watch: DriftWatch | None
    """What watches how the sound changes; none where nobody wants to know."""


@dataclass(frozen=True)
class Heard:
    """A window that was scored, with all that is known of it."""

    window: Window
    output: ModelOutput
    score: Score
    changes: tuple[Event, ...]
    """What the watch has to tell of it: what changed in the sound with it."""
    levels_db: FloatArray | None = None
    """The levels of its bands, where they were measured."""


class Machine:
    """A machine that is listened to: where its sound comes from, and what is normal for it.

    Args:
        source: A microphone, files or anything else that gives sound.
        model: The model that made the bank. Machines may share it.
        bank: The bank, which knows what is normal.
        settings: The hop, the channel, the alarm rule and the wish that sets the threshold.
        name: The name that people call the machine by; when left out, that of the bank, or else that of the source.
        bank_file: The path of the bank, from which it is read anew when it has changed, and beside which alarms are
            kept; none where it came from no file.
        bank_stamp: The stamp of that file before it was read, see `stamp_of`; when left out, the file that is there now
            is taken for the one that was read.

    Attributes:
        windowing: How the sound is cut into windows.
        band_watch: Whether the sound reaches as far up as the bank's.
        recorder: What keeps the windows of alarms while the machine is listened to; none where its bank came from no
            file, beside which they would be kept.

    Raises:
        InputError: The source is no `Source`, the bank is of another model or too small, or the hop is longer than the
            sound.
    """

    how_to_get = 'write Machine(FileSource("today.wav"), model, bank)'

    @checked
    def __init__(
        self,
        source: Source,
        model: Model,
        bank: Bank,
        settings: ListenSettings | None = None,
        name: str = "",
        bank_file: Path | None = None,
        bank_stamp: Stamp = None,
    ) -> None:
        require_model_of(bank, model)
        self.source = source
        self.model = model
        self.bank_file = bank_file
        self.bank_stamp = stamp_of(bank_file) if bank_stamp is None and bank_file is not None else bank_stamp
        self.settings = settings or ListenSettings()
        self.name = name or bank.info.name or source.name
        self.windowing = self.settings.windowing(model, bank)
        self.band_watch = BandWatch()
        self.recorder: Recorder | None = None
        check_hop(source, self.windowing)
        self._normal = self._learned(bank)

    @property
    def bank(self) -> Bank:
        """The bank, which knows what is normal."""
        return self._normal.bank

    @property
    def threshold(self) -> Threshold:
        """The threshold that scores are compared with."""
        return self._normal.threshold

    def use(self, bank: Bank) -> None:
        """Compare windows with another bank from the next one on. It may be called while the machine is listened to.

        Raises:
            InputError: The bank is of another model, too small, or of another channel; the machine keeps its own.
        """
        require_model_of(bank, self.model)
        if self.settings.windowing(self.model, bank) != self.windowing:
            raise InputError(
                "The bank is of another channel than the one that is heard.",
                got=f"channel {bank.info.channel}",
                valid=f"channel {self.windowing.channel}",
                next_step="start listening again to hear that one",
            )
        # All at once, as a window may be scored in another thread at this moment.
        self._normal = self._learned(bank)

    @property
    def reason(self) -> str:
        """What is known to have changed in the sound, in a few words, which explains an alarm; empty where nothing."""
        watch = self._normal.watch
        known = "" if watch is None else reason_of_alarm(watch)
        return "; ".join(filter(None, (self.band_watch.reason, known)))

    def _learned(self, bank: Bank) -> _Normal:
        watch = DriftWatch(bank, self.windowing.hop_s) if self.settings.drift_watch else None
        return _Normal(bank, self.settings.threshold(bank), bank.scorer(), watch)

    def score(self, window: Window) -> Score | Event:
        """Score a window of the sound of this machine; see `hear`."""
        heard = self.hear(window)
        return heard.score if isinstance(heard, Heard) else heard

    def hear(self, window: Window, levels_db: FloatArray | None = None) -> Heard | Event:
        """Score a window of the sound of this machine.

        Args:
            window: The window.
            levels_db: The levels of its bands, where the watch for changes is to know them.

        Returns:
            The score and what it was made of; the event ``not_finite`` where the model's output or the score is
            infinite or not a number.
        """
        normal = self._normal
        output = self.model.embed(window.samples)
        if (event := not_finite_output(window, output)) is not None:
            return replace(event, machine=self.name)
        with np.errstate(over="ignore", invalid="ignore"):
            score = normal.scorer.score(output)
        if not math.isfinite(score):
            return replace(not_finite(window, "the score"), machine=self.name)
        changes = [] if normal.watch is None else normal.watch.add(output.embedding, score, levels_db)
        found = Score(
            machine=self.name,
            source=window.recording.source,
            start_s=round(window.start_s, 4),
            score=score,
            threshold=normal.threshold.value,
            decision="anomaly" if score > normal.threshold.value else "normal",
            level_dbfs=round(window.level_dbfs, 2),
            repeated=window.repeated,
        )
        told = tuple(
            Event(each.kind, found.source, found.start_s, change_in_words(each, normal.bank), machine=self.name)
            for each in changes
        )
        return Heard(window, output, found, told, levels_db)


def stamp_of(file: Path) -> Stamp:
    """What tells a file that has changed from what it was."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_hop(source: Source, windowing: Windowing) -> None:
    """Refuse a hop that would leave all but the first window of every recording unheard.

    Raises:
        InputError: The hop is longer than the window and than the longest recording.
    """
    if windowing.hop_s > max(windowing.window_s, source.longest_s):
        raise InputError(
            "The hop is longer than the sound.",
            got=f"a hop of {windowing.hop_s:g} s, at most {source.longest_s:.1f} s in a recording",
            valid=f"up to {windowing.window_s:g} s to hear everything",
            next_step=f"try --hop {windowing.window_s:g}",
        )
