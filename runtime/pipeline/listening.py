"""Listening: windows in, scores, decisions and alarms out. Offline scoring is the same without the alarm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from asd_edge.calibration.alarm import Alarm
from asd_edge.calibration.audio.bandwidth import band_levels_db
from asd_edge.calibration.audio.channels import parse_channel
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import checked
from asd_edge.calibration.wording import counted
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.keeping import all_learned, begin_keeping, keep, kept_to_the_end
from asd_edge.runtime.pipeline.listen_settings import ListenSettings, ScoreSettings
from asd_edge.runtime.pipeline.machine import Heard, Machine, Score
from asd_edge.runtime.pipeline.reloading import Wishes, banks_read_anew
from asd_edge.runtime.pipeline.window_queue import OF_ONE_SOURCE, windows_of
from asd_edge.runtime.sources.files import FileSource
from asd_edge.runtime.sources.source import Event, EventKind, Span

log = logging.getLogger(__name__)

STOPPED = "stopped"
"""The reason of an `alarm_off` that says nothing about the machine: listening was stopped, or its sound failed."""


@checked
def listen(
    machines: Sequence[Machine], stop: threading.Event | None = None, reload: Wishes | None = None
) -> Iterator[Score | Event]:
    """Score machines as their sound comes, and raise alarms, each its own.

    Windows of all machines go through their model one after the other. Where live sound outruns it, every machine gets
    its turn, and windows that were skipped are told by events.

    Args:
        machines: One machine or several, which may be of different models.
        stop: Ends the listening when set.
        reload: A queue (`queue.SimpleQueue`); True, put into it, asks that the banks which came from files are read
            anew. A bank that cannot be used is told, and the one from before stays. No sound is lost meanwhile.

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
    begin_keeping(machines)
    return _watched(machines, stop or threading.Event(), reload)


def _watched(machines: Sequence[Machine], stop: threading.Event, reload: Wishes | None) -> Iterator[Score | Event]:
    """The scores of each machine with the state of its alarm, and an event where that changes."""
    alarms = [Alarm(machine.settings.rule) for machine in machines]
    latest: dict[int, Score] = {}
    with kept_to_the_end(machines):
        if all_learned(machines):
            return
        try:
            for position, item in _scores(machines, stop, reload):
                if isinstance(item, Event):
                    yield item  # windows that could not be scored leave the alarm as it is
                    continue
                machine, alarm, score = machines[position], alarms[position], item.score
                changed = alarm.update(score.decision == "anomaly")
                keep(machine, item, alarm.on)
                in_shadow = machine.settings.learn_for_s is not None
                if not in_shadow:
                    latest[position] = score
                yield replace(score, alarm=alarm.on and not in_shadow)
                if changed and (alarm.on or not in_shadow):
                    yield _changed(alarm, score, machine)
                yield from item.changes
                if all_learned(machines):
                    return
        except OF_ONE_SOURCE:
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
    listening = ListenSettings(hop_s, settings.channel, percentile=settings.percentile, drift_watch=False)
    channel = settings.channel or parse_channel(bank.info.channel)
    machine = Machine(FileSource(paths, channel=channel), model, bank, listening, name)
    items = (item for _, item in _scores([machine], threading.Event(), None))
    return _bandwidth_as_warning(item.score if isinstance(item, Heard) else item for item in items)


def _bandwidth_as_warning(items: Iterable[Score | Event]) -> Iterator[Score | Event]:
    """Log that files reach elsewhere than the bank, so that there is one item for each window of theirs."""
    for item in items:
        if isinstance(item, Event) and item.event == "bandwidth":
            log.warning("%s: %s", item.source, item.reason)
        else:
            yield item


def _scores(
    machines: Sequence[Machine], stop: threading.Event, reload: Wishes | None
) -> Iterator[tuple[int, Heard | Event]]:
    """The position of a machine in the list, and what was heard of it."""
    sources = [(machine.source, machine.windowing) for machine in machines]
    with banks_read_anew(machines, reload) as notes:
        for position, item in windows_of(sources, stop, notes):
            machine = machines[position]
            if isinstance(item, Event):
                yield position, replace(item, machine=machine.name)
                continue
            levels_db = band_levels_db(item.samples)
            if (event := machine.band_watch.add(item, levels_db, machine.bank.info.band_levels_db)) is not None:
                yield position, replace(event, machine=machine.name)
            yield position, machine.hear(item, levels_db)


def _changed(alarm: Alarm, score: Score, machine: Machine) -> Event:
    """The event of an alarm that went on or off with the score of a window."""
    k, n = alarm.rule.k, alarm.rule.n
    kind: EventKind = "alarm_on" if alarm.on else "alarm_off"
    if alarm.on:
        reason = f"{k} of the last {counted(n, 'window')} scored above {score.threshold:.3g}"
        if machine.reason:
            reason += f"; {machine.reason}"
    else:
        reason = f"{counted(k, 'window')} in a row scored normal"
    if machine.settings.learn_for_s is not None:
        kind, reason = "would_alarm", f"{reason}; nobody is alarmed in shadow days"
    return Event(
        kind,
        score.source,
        score.start_s,
        reason,
        machine=score.machine,
        score=score.score,
        threshold=score.threshold,
        window=Span(score.start_s, round(score.start_s + machine.windowing.window_s, 4)),
    )
