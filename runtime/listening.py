"""Listening: windows in, scores, decisions and alarms out. Offline scoring is the same without the alarm."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from asd_edge.calibration.alarm import Alarm, AlarmRule
from asd_edge.calibration.bank import Bank
from asd_edge.calibration.clips import Channel, parse_channel
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.threshold import DEFAULT_PERCENTILE, Threshold
from asd_edge.runtime.files import FileSource
from asd_edge.runtime.model import Model
from asd_edge.runtime.newest import windows_of
from asd_edge.runtime.sound import Event, Source
from asd_edge.runtime.windows import Cut, Window, require_hop

Decision = Literal["normal", "anomaly"]


@dataclass(frozen=True)
class ListenSettings:
    """How to listen."""

    hop_s: float = 10.0
    channel: Channel | None = None
    """of the source; the one that was enrolled when left out"""
    rule: AlarmRule = field(default_factory=AlarmRule)
    false_alarms_per_day: float = 1.0
    """the wish that sets the threshold, unless `percentile` does"""
    percentile: float | None = None
    """of normal windows that stay under the threshold"""

    def __post_init__(self) -> None:
        require_hop(self.hop_s)

    def threshold(self, bank: Bank) -> Threshold:
        """The threshold these settings choose from a bank.

        Raises:
            InputError: The bank has too few windows, or the wish cannot be fulfilled.
        """
        if self.percentile is not None:
            return bank.threshold_at(self.percentile, self.rule, self.hop_s)
        return bank.threshold_for(self.false_alarms_per_day, self.rule, self.hop_s)


@dataclass(frozen=True)
class Score:
    """What was found in one window."""

    source: str
    """path of the file or name of the device"""
    start_s: float
    """of the window, since the start of the file or since the microphone was opened"""
    score: float
    """by the bank's scorer; the higher, the stranger"""
    threshold: float
    decision: Decision
    level_dbfs: float
    alarm: bool = False
    """whether the alarm is on after this window"""
    repeated: bool = False
    """whether a recording shorter than the window was repeated to fill it"""


def listen(
    source: Source,
    model: Model,
    bank: Bank,
    settings: ListenSettings | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Score | Event]:
    """Score a source as its sound comes, and raise alarms.

    Args:
        source: A microphone, files or anything else that gives sound.
        model: The model that made the bank.
        bank: What is normal.
        settings: Hop, channel, alarm rule and threshold.
        stop: Ends the listening when set.

    Yields:
        A score for every window that could be scored, and events; an alarm event follows the score that caused it.

    Raises:
        InputError: The bank is of another model or too small, or the sound cannot be read.
    """
    settings = settings or ListenSettings()
    bank.check_model(model.sha256, model.description)
    threshold = settings.threshold(bank)
    cut = Cut(model.info.samples, settings.hop_s, settings.channel or parse_channel(bank.info.channel))
    if isinstance(source, FileSource):
        check_hop(source, cut)
    return _watched(_scores(source, model, bank, cut, threshold.value, stop), settings.rule, threshold.value)


def score_files(
    paths: Sequence[str | Path],
    model: Model,
    bank: Bank,
    hop_s: float | None = None,
    channel: Channel | None = None,
    percentile: float = DEFAULT_PERCENTILE,
) -> Iterator[Score | Event]:
    """Score the windows of files, offline.

    Args:
        paths: Files, or folders whose files are taken in name order.
        model: The model that made the bank.
        bank: What is normal.
        hop_s: Seconds between windows; the window's own length when left out.
        channel: Which channel; the one that was enrolled when left out.
        percentile: Of normal windows that stay under the threshold.

    Yields:
        A score for every window, and an event for every one in which the sensor did not work.

    Raises:
        InputError: The bank is of another model or too small, or a file cannot be read.
    """
    bank.check_model(model.sha256, model.description)
    hop_s = model.info.window_s if hop_s is None else hop_s
    cut = Cut(model.info.samples, hop_s, channel or parse_channel(bank.info.channel))
    source = FileSource(paths)
    check_hop(source, cut)
    threshold = bank.threshold_at(percentile, AlarmRule(), cut.hop_s).value
    return _scores(source, model, bank, cut, threshold)


def check_hop(source: FileSource, cut: Cut) -> None:
    """Refuse a hop that would leave all but the first window of every file unheard.

    Raises:
        InputError: The hop is longer than the window and than what any file holds.
    """
    if cut.hop_s > max(cut.window_s, source.longest_s):
        raise InputError(
            "The hop is longer than the sound.",
            got=f"a hop of {cut.hop_s:g} s, at most {source.longest_s:.1f} s in a file",
            valid=f"up to {cut.window_s:g} s to hear everything",
            next_step=f"try --hop {cut.window_s:g}",
        )


def _scores(
    source: Source, model: Model, bank: Bank, cut: Cut, threshold: float, stop: threading.Event | None = None
) -> Iterator[Score | Event]:
    scorer = bank.scorer()
    for item in windows_of(source, cut, stop or threading.Event()):
        if not isinstance(item, Window):
            yield item
            continue
        score = scorer.score(model.embed(item.samples))
        yield Score(
            source=item.recording.source,
            start_s=round(item.start_s, 4),
            score=score,
            threshold=threshold,
            decision="anomaly" if score > threshold else "normal",
            level_dbfs=round(item.level_dbfs, 2),
            repeated=item.repeated,
        )


def _watched(items: Iterator[Score | Event], rule: AlarmRule, threshold: float) -> Iterator[Score | Event]:
    """Follow scores with the alarm; windows that could not be scored leave it as it is."""
    alarm = Alarm(rule)
    for item in items:
        if isinstance(item, Event):
            yield item
            continue
        changed = alarm.update(item.decision == "anomaly")
        yield replace(item, alarm=alarm.on)
        if changed and alarm.on:
            reason = f"{rule.k} of the last {rule.n} windows scored above {threshold:.3g}"
            yield Event("alarm_on", item.source, item.start_s, reason)
        elif changed:
            yield Event("alarm_off", item.source, item.start_s, f"{rule.k} windows in a row scored normal")
