"""Keeping what matters of what is heard, in a thread of its own, so that no window waits for a disk."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asd_edge.runtime.store.database import StoreError, damaged, set_aside
from asd_edge.runtime.store.records import HeardWindow, ShadowDays
from asd_edge.runtime.store.store import MOST_EMBEDDINGS, AlarmSoFar, Store, keeps_embedding

log = logging.getLogger(__name__)

MOST_OF_AN_ALARM = 360
"""How many windows of an alarm are kept: an hour at a hop of 10 s. What sounds on for longer says nothing new."""
_MOST_WAITING = 2000
"""How many windows wait for the disk at most: five hours at a hop of 10 s, in a dozen megabytes."""
_AT_ONCE = 64
"""How many are written at once, and how many of recorded sound wait at most."""
_TRY_AGAIN_S = 30.0
"""How long it takes until a store that could not be written is tried again."""
_END_S = 3.0
"""How long what waits may take to be written at the end, where sound is live; a supervisor waits longer than that."""
_POLL_S = 0.2
_MAY_PASS = (sqlite3.OperationalError, StoreError, OSError)
"""Errors of a store that cannot be reached or written now; what waits is tried again. Any other is about what should be
written, and that is given up."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What is to be written together."""

    bank: str
    windows: tuple[HeardWindow, ...] = ()
    """the window that was heard, which is kept in shadow days"""
    alarm: AlarmSoFar | None = None
    of_alarm: tuple[HeardWindow, ...] = ()
    """the windows that are kept with the alarm"""


class Recorder:
    """What keeps the windows of alarms of one machine, and in shadow days all windows.

    Where nothing can be written, that is told once, as a warning, and hearing goes on; it is tried again.

    Args:
        path: The path of the store.
        machine: The name of the machine, for messages.
        live: Whether sound is heard as it happens. Recorded sound waits for the store instead.
        hop_s: The time from one window to the next in seconds.
        before: How many windows the alarm's rule looks at, which are kept with it.
        shadow: The shadow days that go on; none where alarms are raised.
    """

    def __init__(
        self, path: Path, machine: str, live: bool, hop_s: float, before: int, shadow: ShadowDays | None = None
    ) -> None:
        self.shadow = shadow
        self._path, self._machine, self._live, self._hop_s = path, machine, live, hop_s
        self._recent: deque[HeardWindow] = deque(maxlen=before)
        self._alarm: AlarmSoFar | None = None
        self._latest = 0.0
        self._heard_s = 0.0 if shadow is None else shadow.heard_s
        self._heard_windows = 0 if shadow is None else shadow.windows
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MOST_WAITING)
        self._waiting = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._failing = self._told = self._ended = self._was_damaged = False
        self._lost = self._above = self._new_windows = 0
        self._new_s = 0.0

    @property
    def heard_s(self) -> float:
        """How long was heard in shadow days so far, in seconds, of what is kept."""
        return self._heard_s

    @property
    def complete(self) -> bool:
        """Whether as much was heard in shadow days as was wished for; never where alarms are raised."""
        if self.shadow is None:
            return False
        wanted_s = self.shadow.wanted_s - 1e-6
        if not self._live and self._heard_s + self._waiting * self._hop_s >= wanted_s:
            self._settled(_END_S)  # whether what waits is new is known when it is written
        return self._heard_s >= wanted_s

    def heard(self, bank: str, window: HeardWindow, alarm: bool, window_s: float) -> None:
        """Take the next window that was scored.

        Args:
            bank: When the bank was begun, by which it is known.
            window: The window.
            alarm: Whether the alarm is on after it, or would be.
            window_s: The length of a window in seconds.
        """
        self._recent.append(window)
        self._latest = window.heard_at + window_s
        if alarm and self._alarm is None:
            first = self._recent[0]
            self._alarm = AlarmSoFar(
                window, first.start_s, self._live, first.heard_at, None, 0.0, 0, window.score, window.threshold
            )
            self._go_on(bank, tuple(self._recent), window_s, ended=False)
        elif self._alarm is not None:
            self._go_on(bank, (window,), window_s, ended=not alarm)
        elif self.shadow is not None:
            self._put(_Job(bank, (window,)))

    def end(self, bank: str) -> None:
        """Write what waits, give an alarm that is on its end, and close the store."""
        if self._alarm is not None:
            self._put(_Job(bank, alarm=replace(self._alarm, ended=self._latest)))
            self._alarm = None
        if self._thread is None:
            return
        settled = self._settled(_END_S)
        while not settled and not self._live and not self._failing:
            settled = self._settled(_END_S)
        self._ended = True
        with self._changed:
            self._changed.notify_all()
        if settled:
            self._jobs.put(None)
            self._thread.join(_END_S)
        else:
            log.warning("%s: %d windows could not be kept in %s.", self._machine, self._waiting, self._path)

    def _go_on(self, bank: str, windows: Sequence[HeardWindow], window_s: float, ended: bool) -> None:
        """Let the alarm go on with more windows."""
        if (alarm := self._alarm) is None:
            raise ValueError("no alarm is on")
        count = alarm.windows + len(windows)
        is_kept = count <= MOST_OF_AN_ALARM or not alarm.windows
        strangest = max(windows, key=lambda window: window.score)
        if strangest.score > alarm.highest:
            alarm = replace(alarm, highest=strangest.score, threshold=strangest.threshold)
        by_clock_s = windows[-1].heard_at + window_s - alarm.began
        by_sound_s = (count - 1) * self._hop_s + window_s
        alarm = replace(alarm, windows=count, duration_s=by_clock_s if self._live else by_sound_s)
        if ended:
            alarm = replace(alarm, ended=self._latest)
            self._recent.clear()
        self._put(_Job(bank, (windows[-1],), alarm, tuple(windows) if is_kept else ()))
        self._alarm = None if ended else alarm

    def _put(self, job: _Job) -> None:
        """Let something be written; where too much waits, recorded sound waits, too, and live sound is not kept."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="store", daemon=True)
            self._thread.start()
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: self._waiting < _AT_ONCE or self._failing)
            try:
                self._jobs.put_nowait(job)
                self._waiting += 1
            except queue.Full:
                self._lost += 1

    def _settled(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting or self._failing, timeout_s) and not self._waiting

    def _write(self) -> None:
        """Write what comes, until there is nothing more to come; it runs in a thread of its own."""
        store: Store | None = None
        while (jobs := self._next()) is not None:
            while True:
                try:
                    if store is None:
                        store = self._opened(jobs[0].bank)
                    self._keep(store, jobs)
                    break
                except Exception as error:  # noqa: BLE001  hearing goes on whatever it is
                    if store is not None:
                        store.close()
                    store = None
                    if self._put_aside(error):
                        continue
                    self._tell_failure(error)
                    if not isinstance(error, _MAY_PASS):
                        self._give_up(jobs)
                        break
                    with self._changed:
                        self._failing = True
                        self._changed.notify_all()
                        if self._changed.wait_for(lambda: self._ended, _TRY_AGAIN_S):
                            return
        if store is not None:
            store.close()

    def _opened(self, bank: str) -> Store:
        store = Store(self._path)
        store.end_alarms_left_on(bank)
        if self.shadow is not None and store.shadow_days(bank) is None:  # the file is a new one
            self.shadow = store.begin_shadow_days(bank, self.shadow.wanted_s)
            self._heard_s, self._heard_windows = 0.0, 0
        return store

    def _next(self) -> list[_Job] | None:
        """Wait for something to write, and take all that is there; none at the end."""
        jobs: list[_Job] = []
        while len(jobs) < _AT_ONCE:
            try:
                job = self._jobs.get(block=not jobs)
            except queue.Empty:
                break
            if job is None:
                if not jobs:
                    return None
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _keep(self, store: Store, jobs: Sequence[_Job]) -> None:
        self._new_s, self._new_windows = 0.0, 0  # those of a transaction that failed count again
        with store.transaction():
            for job in jobs:
                if self.shadow is not None:
                    self._keep_shadow(store, self.shadow, job)
                if job.alarm is not None:
                    period = None if self.shadow is None else self.shadow.number
                    store.keep_alarm(job.bank, job.alarm, job.of_alarm, period)
        if any(job.alarm is not None and job.alarm.ended is not None for job in jobs) and store.give_up_embeddings():
            log.info("%s: the oldest sound of alarms was given up to keep %s small.", self._machine, self._path)
        if self._told or self._lost:
            lost = f"; {self._lost} windows were not" if self._lost else ""
            log.warning("%s: what is heard is kept in %s again%s.", self._machine, self._path, lost)
        with self._changed:
            self._heard_s += self._new_s
            self._heard_windows += self._new_windows
            self._failing, self._told, self._lost = False, False, 0
            self._waiting -= len(jobs)
            self._changed.notify_all()

    def _give_up(self, jobs: Sequence[_Job]) -> None:
        with self._changed:
            self._lost += len(jobs)
            self._waiting -= len(jobs)
            self._changed.notify_all()

    def _keep_shadow(self, store: Store, shadow: ShadowDays, job: _Job) -> None:
        for window in job.windows:
            is_above = window.score > window.threshold and self._above < MOST_EMBEDDINGS
            index = self._heard_windows + self._new_windows
            if not (is_above or job.of_alarm or keeps_embedding(index, shadow.wanted_s, self._hop_s)):
                window = replace(window, output=None)  # noqa: PLW2901
            if store.keep_window(job.bank, window, self._live, shadow.number):
                store.heard_in(shadow.number, self._hop_s, window.heard_at)
                self._new_s, self._new_windows = self._new_s + self._hop_s, self._new_windows + 1
                self._above += is_above

    def _put_aside(self, error: Exception) -> bool:
        """Put the file aside where it is damaged, once; whether a new one can be begun."""
        if not damaged(error) or self._was_damaged:
            return False
        self._was_damaged = True
        try:
            aside = set_aside(self._path)
        except OSError:
            log.debug("The damaged store %s cannot be moved.", self._path, exc_info=True)
            return False
        words = "%s: what was heard before is damaged (%s) and now in %s; it is begun anew."
        log.warning(words, self._machine, error, aside)
        return True

    def _tell_failure(self, error: Exception) -> None:
        """Tell once that nothing can be kept."""
        if not self._told:
            words = "%s: what is heard cannot be kept in %s (%s), and hearing goes on. It is tried again."
            log.warning(words, self._machine, self._path, error)
        self._told = True


def wall_clock(window_s: float) -> float:
    """When a window began that has just been heard, in seconds since 1970 in UTC."""
    return time.time() - window_s
