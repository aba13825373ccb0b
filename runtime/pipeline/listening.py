"""Listening: windows in, scores, decisions and alarms out. Offline scoring is the same without the alarm."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from asd_edge.calibration.alarm import Alarm
from asd_edge.calibration.audio.channels import parse_channel
from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.listen_settings import ListenSettings, ScoreSettings
from asd_edge.runtime.pipeline.model_of_bank import require_model_of
from asd_edge.runtime.pipeline.not_finite import not_finite, not_finite_output
from asd_edge.runtime.pipeline.window_queue import windows_of
from asd_edge.runtime.sources.files import FileSource
from asd_edge.runtime.sources.source import Event, Source, Span

STOPPED = "stopped"
"""The reason of an `alarm_off` that says nothing about the machine: listening was stopped, or its sound failed."""
Decision = Literal["normal", "anomaly"]


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


class Machine:
    """A machine that is listened to: where its sound comes from, and what is normal for it.

    Args:
        source: A microphone, files or anything else that gives sound.
        model: The model that made the bank. Machines may share it.
        bank: The bank, which knows what is normal.
        settings: The hop, the channel, the alarm rule and the wish that sets the threshold.
        name: The name that people call the machine by; when left out, that of the bank, or else that of the source.

    Attributes:
        windowing: How the sound is cut into windows.
        threshold: The threshold that scores are compared with.

    Raises:
        InputError: The source is no `Source`, the bank is of another model or too small, or the hop is longer than the
            sound.
    """

    how_to_get = 'write Machine(FileSource("today.wav"), model, bank)'

    @checked
    def __init__(
        self, source: Source, model: Model, bank: Bank, settings: ListenSettings | None = None, name: str = ""
    ) -> None:
        require_model_of(bank, model)
        self.source = source
        self.model = model
        self.bank = bank
        self.settings = settings or ListenSettings()
        self.name = name or bank.info.name or source.name
        self.windowing = self.settings.windowing(model, bank)
        self.threshold = self.settings.threshold(bank)
        self._scorer = bank.scorer()
        check_hop(source, self.windowing)

    def score(self, window: Window) -> Score | Event:
        """Score a window of the sound of this machine.

        Returns:
            The score; the event ``not_finite`` where the model's output or the score is infinite or not a number.
        """
        output = self.model.embed(window.samples)
        if (event := not_finite_output(window, output)) is not None:
            return replace(event, machine=self.name)
        with np.errstate(over="ignore", invalid="ignore"):
            score = self._scorer.score(output)
        if not math.isfinite(score):
            return replace(not_finite(window, "the score"), machine=self.name)
        return Score(
            machine=self.name,
            source=window.recording.source,
            start_s=round(window.start_s, 4),
            score=score,
            threshold=self.threshold.value,
            decision="anomaly" if score > self.threshold.value else "normal",
            level_dbfs=round(window.level_dbfs, 2),
            repeated=window.repeated,
        )


@checked
def listen(machines: Sequence[Machine], stop: threading.Event | None = None) -> Iterator[Score | Event]:
    """Score machines as their sound comes, and raise alarms, each its own.

    Windows of all machines go through their model one after the other. Where live sound outruns it, every machine gets
    its turn, and windows that were skipped are told by events.

    Args:
        machines: One machine or several, which may be of different models.
        stop: Ends the listening when set.

    Yields:
        A score for every window that could be scored, and events; an alarm event follows the score that caused it.
        When listening is stopped, or fails, an alarm that is on goes off for the reason `STOPPED`.

    Raises:
        InputError: Two machines have the same name; or sound could not be read, and no other machine is left.
    """
    names = [machine.name for machine in machines]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            "Two machines have the same name.",
            got=twice[0],
            valid="one for each, since scores, events and alarms are told by it",
            next_step='say which is which with Machine(..., name="left pump")',
        )
    return _watched(machines, stop or threading.Event())


def _watched(machines: Sequence[Machine], stop: threading.Event) -> Iterator[Score | Event]:
    """The scores of each machine with the state of its alarm, and an event where that changes."""
    alarms = [Alarm(machine.settings.rule) for machine in machines]
    latest: dict[int, Score] = {}
    try:
        for position, item in _scores(machines, stop):
            if isinstance(item, Event):
                yield item  # windows that could not be scored leave the alarm as it is
                continue
            alarm = alarms[position]
            changed = alarm.update(item.decision == "anomaly")
            latest[position] = item
            yield replace(item, alarm=alarm.on)
            if changed:
                yield _changed(alarm, item, machines[position].windowing.window_s)
    except InputError:
        yield from _stopped(alarms, latest)
        raise
    if stop.is_set():
        yield from _stopped(alarms, latest)


def _stopped(alarms: Sequence[Alarm], latest: Mapping[int, Score]) -> Iterator[Event]:
    """The events of alarms that are on when listening stops, so that nobody takes them for on until it begins again.

    Args:
        alarms: The alarms of all machines.
        latest: The last score of each machine, by its position.
    """
    for position, score in latest.items():
        if alarms[position].on:
            yield Event("alarm_off", score.source, score.start_s, STOPPED, machine=score.machine)


@checked
def score_files(
    paths: Sequence[str | Path],
    model: Model,
    bank: Bank,
    settings: ScoreSettings | None = None,
    name: str = "",
) -> Iterator[Score | Event]:
    """Score the windows of files, offline.

    Args:
        paths: The files, or folders whose files are taken in the order of their names.
        model: The model that made the bank.
        bank: What is normal.
        settings: How files are scored.
        name: The name of the machine, see `Machine`.

    Yields:
        A score for every window, and an event for every window in which the sensor did not work.

    Raises:
        InputError: The bank is of another model or too small, or a file cannot be read.
    """
    settings = settings or ScoreSettings()
    hop_s = model.info.window_s if settings.hop_s is None else settings.hop_s
    listening = ListenSettings(hop_s, settings.channel, percentile=settings.percentile)
    channel = settings.channel or parse_channel(bank.info.channel)
    machine = Machine(FileSource(paths, channel=channel), model, bank, listening, name)
    return (item for _, item in _scores([machine], threading.Event()))


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


def _scores(machines: Sequence[Machine], stop: threading.Event) -> Iterator[tuple[int, Score | Event]]:
    """The position of a machine in the list, and what was heard of it."""
    for position, item in windows_of([(machine.source, machine.windowing) for machine in machines], stop):
        machine = machines[position]
        yield position, machine.score(item) if isinstance(item, Window) else replace(item, machine=machine.name)


def _changed(alarm: Alarm, score: Score, window_s: float) -> Event:
    """The event of an alarm that went on or off with the score of a window."""
    k, n = alarm.rule.k, alarm.rule.n
    if alarm.on:
        reason = f"{k} of the last {n} windows scored above {score.threshold:.3g}"
    else:
        reason = f"{k} windows in a row scored normal"
    return Event(
        "alarm_on" if alarm.on else "alarm_off",
        score.source,
        score.start_s,
        reason,
        machine=score.machine,
        score=score.score,
        threshold=score.threshold,
        window=Span(score.start_s, round(score.start_s + window_s, 4)),
    )
