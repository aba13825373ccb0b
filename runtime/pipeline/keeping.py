"""What is kept of the machines that are listened to, in the stores beside their banks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from asd_edge.calibration.errors import InputError
from asd_edge.runtime.pipeline.machine import Heard, Machine
from asd_edge.runtime.store.database import store_path, unusable
from asd_edge.runtime.store.recorder import Recorder, wall_clock
from asd_edge.runtime.store.records import HeardWindow, ShadowDays, time_in_words
from asd_edge.runtime.store.store import Store


def begin_keeping(machines: Sequence[Machine]) -> None:
    """Give every machine whose bank lies in a file what keeps its alarms, and go on with its shadow days.

    Raises:
        InputError: Shadow days are wished for, and the bank came from no file or nothing can be written beside it.
    """
    for machine in machines:
        shadow = None
        if machine.settings.learn_for_s is not None:
            shadow = _shadow_days(machine, machine.settings.learn_for_s)
        if machine.bank_file is not None:
            machine.recorder = Recorder(
                store_path(machine.bank_file),
                machine.name,
                machine.source.live,
                machine.settings.hop_s,
                machine.settings.rule.n,
                shadow,
            )


def keep(machine: Machine, heard: Heard, alarm: bool) -> None:
    """Keep a window of a machine where it matters.

    Args:
        machine: The machine.
        heard: The window that was scored.
        alarm: Whether the alarm is on after it, or would be.
    """
    if machine.recorder is None:
        return
    score, window_s = heard.score, machine.windowing.window_s
    window = HeardWindow(
        heard.window.recording,
        heard.window.start_s,
        wall_clock(window_s),
        score.score,
        score.threshold,
        score.level_dbfs,
        heard.output,
        heard.levels_db,
    )
    machine.recorder.heard(machine.bank.info.created, window, alarm, window_s)


@contextmanager
def kept_to_the_end(machines: Sequence[Machine]) -> Iterator[None]:
    """Write what waits when the listening ends, however it does."""
    try:
        yield
    finally:
        for machine in machines:
            if machine.recorder is not None:
                machine.recorder.end(machine.bank.info.created)


def all_learned(machines: Sequence[Machine]) -> bool:
    """Whether every machine is in shadow days, and as much was heard of each as was wished for."""
    return all(machine.recorder is not None and machine.recorder.complete for machine in machines)


def shadow_words(machine: Machine) -> tuple[str, ...]:
    """That a machine is in shadow days, in a sentence; nothing where alarms are raised."""
    if machine.recorder is None or (shadow := machine.recorder.shadow) is None:
        return ()
    return (
        f"Shadow days: no alarm is raised; {time_in_words(shadow.heard_s)} of {time_in_words(shadow.wanted_s)} were "
        "heard so far.",
    )


def shadow_values(machine: Machine) -> dict[str, Any]:
    """The same for programs; nothing where alarms are raised."""
    if machine.recorder is None or (shadow := machine.recorder.shadow) is None:
        return {}
    return {"learn_for_s": shadow.wanted_s, "learned_s": shadow.heard_s}


def _shadow_days(machine: Machine, wanted_s: float) -> ShadowDays:
    if machine.bank_file is None:
        raise InputError(
            "Shadow days are kept beside the bank, which came from no file.",
            got=f"the machine {machine.name} without a path of its bank",
            valid='Machine(..., bank_file="pump.npz")',
            next_step="save the bank, and give the machine its path",
        )
    path = store_path(machine.bank_file)
    try:
        with Store(path) as store:
            return store.begin_shadow_days(machine.bank.info.created, wanted_s)
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error
