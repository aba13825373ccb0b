"""Writing and reading what the store keeps."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording
from asd_edge.runtime.store.database import open_store, open_to_read
from asd_edge.runtime.store.records import HeardWindow, KeptAlarm, ShadowDays

MOST_BYTES = 512 << 20
"""How large a store may become: three hundred alarms of an hour each, of an embedding of a thousand numbers. Beyond it,
embeddings are given up: of what was answered first, then of the oldest. The alarms themselves stay."""
_ROOM = 0.9
"""Down to this share of `MOST_BYTES` embeddings are given up, so that this is not done at every alarm."""
MOST_EMBEDDINGS = 10_000
"""How many windows of shadow days keep their embeddings, beside those above the threshold: more than are learned."""
STRETCH = 60
"""Where not all windows are kept, so many that follow each other are, ten minutes at a hop of 10 s: what they have in
common can then still be measured."""
_ALARM = (
    "SELECT a.id, a.period IS NOT NULL, r.source, a.first_s, r.live, a.began, a.ended, a.duration_s, a.windows,"
    " a.highest, a.threshold, a.answer, a.note, a.answered FROM alarms a JOIN recordings r ON r.id = a.recording"
    " JOIN banks b ON b.id = a.bank"
)
_WINDOW = (
    "SELECT w.id, r.digest, r.source, r.domain, w.start_s, w.heard_at, w.score, w.threshold, w.level_dbfs, e.embedding,"
    " e.reconstruction_error, e.levels_db FROM windows w JOIN recordings r ON r.id = w.recording"
    " JOIN embeddings e ON e.window = w.id"
)
_LATEST_PERIOD = (
    "SELECT id, wanted_s, heard_s, began, latest, windows, answer FROM periods"
    " WHERE bank = (SELECT id FROM banks WHERE created = ?) ORDER BY id DESC LIMIT 1"
)
_GIVE_UP_OLDEST = (
    "DELETE FROM embeddings WHERE window IN (SELECT e.window FROM embeddings e JOIN windows w ON w.id = e.window"
    " ORDER BY w.heard_at LIMIT 100)"
)
_GIVE_UP_ANSWERED = (
    "DELETE FROM embeddings WHERE window IN (SELECT e.window FROM embeddings e JOIN windows w ON w.id = e.window WHERE"
    " w.id IN (SELECT a.window FROM alarm_windows a JOIN alarms b ON b.id = a.alarm WHERE b.answer != '')"
    " OR w.period IN (SELECT id FROM periods WHERE answer != '') ORDER BY w.heard_at LIMIT 100)"
)


@dataclass(frozen=True, eq=False)
class AlarmSoFar:
    """An alarm as it is while it goes on, or at its end."""

    window: HeardWindow
    """the window that it went on with, by which it is known again where the same file is heard twice"""
    first_s: float
    """where the first window that counted begins in its recording, in seconds"""
    live: bool
    began: float
    ended: float | None
    duration_s: float
    windows: int
    highest: float
    threshold: float


class Store:
    """The store beside a bank, of which every method is one transaction.

    Args:
        path: The path of its file.
        to_write: Whether it may be made and is written to.

    Raises:
        StoreError: It was written by a newer version.
        sqlite3.Error: It cannot be opened or is damaged, as may happen in each method, too.
    """

    def __init__(self, path: Path, to_write: bool = True) -> None:
        self.path = path
        self._connection = open_store(path) if to_write else open_to_read(path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing of what is written meanwhile."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    # What is written while a machine is listened to; `transaction` is around it.

    def keep_window(self, bank: str, window: HeardWindow, live: bool, period: int | None = None) -> bool:
        """Keep a window that is not there yet; one that is there gets what it lacks.

        Args:
            bank: When the bank was begun, by which it is known.
            window: The window.
            live: Whether it was heard as it happened.
            period: The number of the shadow days that it was heard in; none where alarms are raised.

        Returns:
            Whether it is new in these shadow days.
        """
        output, place = window.output, (self._bank(bank), self._recording(window.recording, live), window.start_s)
        held = self._one("SELECT id, period FROM windows WHERE bank = ? AND recording = ? AND start_s = ?", *place)
        if held is None:
            heard = (window.heard_at, float(window.score), float(window.threshold), float(window.level_dbfs))
            number = self._connection.execute(
                "INSERT INTO windows (bank, recording, start_s, heard_at, score, threshold, level_dbfs, period)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*place, *heard, period),
            ).lastrowid
        else:
            number = held[0]
            if period is not None:
                self._connection.execute("UPDATE windows SET period = ? WHERE id = ?", (period, number))
        if output is not None:
            blob = np.ascontiguousarray(output.embedding, np.float32).tobytes()
            levels = None if window.levels_db is None else np.asarray(window.levels_db, np.float32).tobytes()
            error = None if output.reconstruction_error is None else float(output.reconstruction_error)
            self._connection.execute(
                "INSERT OR IGNORE INTO embeddings (window, embedding, reconstruction_error, levels_db)"
                " VALUES (?, ?, ?, ?)",
                (number, blob, error, levels),
            )
        return held is None or held[1] != period

    def keep_alarm(self, bank: str, alarm: AlarmSoFar, windows: Sequence[HeardWindow], period: int | None) -> None:
        """Keep how far an alarm is, with more of its windows.

        Args:
            bank: When the bank was begun, by which it is known.
            alarm: The alarm.
            windows: Windows of it that may not be there yet.
            period: The number of the shadow days that it was heard in; none where alarms are raised.
        """
        for window in windows:
            self.keep_window(bank, window, alarm.live, period)
        on, owner = alarm.window, self._bank(bank)
        recording = self._recording(on.recording, alarm.live)
        known = self._one(
            "SELECT id FROM alarms WHERE bank = ? AND recording = ? AND start_s = ? AND period IS ?",
            owner, recording, on.start_s, period,
        )  # fmt: skip
        if known is None:
            cursor = self._connection.execute(
                "INSERT INTO alarms (bank, period, recording, first_s, start_s, began, ended, duration_s, windows,"
                " highest, threshold) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (owner, period, recording, alarm.first_s, on.start_s, alarm.began, alarm.ended, alarm.duration_s,
                 alarm.windows, alarm.highest, alarm.threshold),
            )  # fmt: skip
            number = cursor.lastrowid
        else:
            (number,) = known
            self._connection.execute(
                "UPDATE alarms SET ended = ?, duration_s = ?, windows = ?, highest = ?, threshold = ?"
                " WHERE id = ? AND windows <= ?",
                (alarm.ended, alarm.duration_s, alarm.windows, alarm.highest, alarm.threshold, number, alarm.windows),
            )
        for window in windows:
            self._connection.execute(
                "INSERT OR IGNORE INTO alarm_windows (alarm, window) SELECT ?, id FROM windows"
                " WHERE bank = ? AND recording = ? AND start_s = ?",
                (number, owner, self._recording(window.recording, alarm.live), window.start_s),
            )

    def heard_in(self, period: int, hop_s: float, heard_at: float) -> None:
        """Count one more window of shadow days, which stands for as many seconds as the hop has."""
        self._connection.execute(
            "UPDATE periods SET heard_s = heard_s + ?, windows = windows + 1, latest = max(latest, ?) WHERE id = ?",
            (hop_s, heard_at, period),
        )

    def end_alarms_left_on(self, bank: str) -> None:
        """Give an end to alarms that were on when the program was killed: that of what was kept of them."""
        with self.transaction():
            self._connection.execute(
                "UPDATE alarms SET ended = began + duration_s WHERE ended IS NULL AND bank = ?", (self._bank(bank),)
            )

    def give_up_embeddings(self, most_bytes: int = MOST_BYTES) -> bool:
        """Make room where the file has become too large; see `MOST_BYTES`.

        Returns:
            Whether anything was given up.
        """
        if self._bytes() <= most_bytes:
            return False
        for query in (_GIVE_UP_ANSWERED, _GIVE_UP_OLDEST):
            while self._bytes() > _ROOM * most_bytes:
                with self.transaction():
                    gone = self._connection.execute(query).rowcount
                if not gone:
                    break
        self._connection.executescript("PRAGMA incremental_vacuum")  # `execute` would give back one page
        return True

    # Shadow days.

    def begin_shadow_days(self, bank: str, wanted_s: float) -> ShadowDays:
        """Go on with the latest shadow days, or begin anew where there are none or they were answered.

        Args:
            bank: When the bank was begun, by which it is known.
            wanted_s: How long shall be heard, in seconds.
        """
        with self.transaction():
            latest = self._latest_period(bank)
            now = time.time()
            if latest is None or latest.answer:
                self._connection.execute(
                    "INSERT INTO periods (bank, wanted_s, began, latest) VALUES (?, ?, ?, ?)",
                    (self._bank(bank), wanted_s, now, now),
                )
            else:
                self._connection.execute("UPDATE periods SET wanted_s = ? WHERE id = ?", (wanted_s, latest.number))
            found = self._latest_period(bank)
        if found is None:
            raise RuntimeError("shadow days that were just begun are there")
        return found

    def shadow_days(self, bank: str) -> ShadowDays | None:
        """The latest shadow days of a bank; none where there never were any."""
        return self._latest_period(bank)

    def heard_s(self, period: int) -> tuple[float, int]:
        """How long was heard in shadow days, in seconds, and how many windows."""
        found = self._one("SELECT heard_s, windows FROM periods WHERE id = ?", period)
        return (0.0, 0) if found is None else (float(found[0]), int(found[1]))

    def windows_of_days(self, period: int) -> list[tuple[int, HeardWindow]]:
        """The windows of shadow days whose embeddings were kept, but for those of faults, in the order of time.

        Args:
            period: The number of the shadow days.

        Returns:
            The windows, each with the number of those that were heard before it in these shadow days.
        """
        faults = {
            int(window)
            for (window,) in self._connection.execute(
                "SELECT f.window FROM alarm_windows f JOIN alarms a ON a.id = f.alarm WHERE a.answer = 'fault'"
            )
        }
        order = self._connection.execute("SELECT id FROM windows WHERE period = ? ORDER BY heard_at, id", (period,))
        indices = {int(number): index for index, (number,) in enumerate(order)}
        found = self._windows("WHERE w.period = ? ORDER BY w.heard_at, w.id", period)
        return [(indices[number], window) for number, window in found if number not in faults]

    def answer_days(self, period: int, answer: str, note: str) -> None:
        """Remember what a person said about shadow days; nothing where it is empty."""
        with self.transaction():
            self._connection.execute(
                "UPDATE periods SET answer = ?, note = ?, answered = ? WHERE id = ?",
                (answer, note, time.time() if answer else None, period),
            )

    # Alarms.

    def alarms(self, bank: str) -> list[KeptAlarm]:
        """The alarms of a bank, also those of shadow days, the earliest first."""
        return self._alarms("WHERE b.created = ? ORDER BY a.id", bank)

    def alarm(self, bank: str, number: int) -> KeptAlarm | None:
        """The alarm of a number; none where the bank has no such alarm."""
        found = self._alarms("WHERE b.created = ? AND a.id = ?", bank, number)
        return found[0] if found else None

    def windows_of(self, alarm: int) -> list[HeardWindow]:
        """The windows of an alarm whose embeddings were kept, in the order of time."""
        where = "JOIN alarm_windows a ON a.window = w.id WHERE a.alarm = ?"
        return [window for _, window in self._windows(f"{where} ORDER BY w.heard_at, w.id", alarm)]

    def answer(self, alarm: int, answer: str, note: str) -> None:
        """Remember what a person said about an alarm; nothing where it is empty."""
        with self.transaction():
            self._connection.execute(
                "UPDATE alarms SET answer = ?, note = ?, answered = ? WHERE id = ?",
                (answer, note, time.time() if answer else None, alarm),
            )

    def _alarms(self, where: str, *values: Any) -> list[KeptAlarm]:
        found = self._connection.execute(f"{_ALARM} {where}", values).fetchall()
        return [KeptAlarm(row[0], bool(row[1]), row[2], row[3], bool(row[4]), *row[5:]) for row in found]

    def _windows(self, where: str, *values: Any) -> list[tuple[int, HeardWindow]]:
        windows = []
        for (
            number,
            digest,
            source,
            domain,
            start_s,
            heard_at,
            score,
            threshold,
            level_dbfs,
            blob,
            error,
            levels,
        ) in self._connection.execute(f"{_WINDOW} {where}", values):
            output = ModelOutput(np.frombuffer(blob, np.float32), error)
            recording = Recording(digest, source, domain)
            levels_db = None if levels is None else np.frombuffer(levels, np.float32)
            window = HeardWindow(recording, start_s, heard_at, score, threshold, level_dbfs, output, levels_db)
            windows.append((int(number), window))
        return windows

    def _latest_period(self, bank: str) -> ShadowDays | None:
        found = self._one(_LATEST_PERIOD, bank)
        if found is None:
            return None
        number, wanted_s, heard_s, began, latest, windows, answer = found
        alarms = self._alarms("WHERE a.period = ? ORDER BY a.id", number)
        return ShadowDays(number, wanted_s, heard_s, began, latest, windows, tuple(alarms), answer)

    def _bank(self, created: str) -> int:
        self._connection.execute("INSERT OR IGNORE INTO banks (created) VALUES (?)", (created,))
        return self._number("SELECT id FROM banks WHERE created = ?", created)

    def _recording(self, recording: Recording, live: bool) -> int:
        self._connection.execute(
            "INSERT OR IGNORE INTO recordings (digest, source, domain, live) VALUES (?, ?, ?, ?)",
            (recording.id, recording.source, recording.domain, live),
        )
        return self._number("SELECT id FROM recordings WHERE digest = ?", recording.id)

    def _number(self, query: str, *values: Any) -> int:
        found = self._one(query, *values)
        if found is None:
            raise RuntimeError("what was just written is there")
        return int(found[0])

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return found

    def _bytes(self) -> int:
        pages, free, size = (self._number(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size


def keeps_embedding(index: int, wanted_s: float, hop_s: float) -> bool:
    """Whether a window of shadow days keeps its embedding: stretches of them, evenly over all, where they are many.

    Args:
        index: The number of windows that were heard before it in these shadow days.
        wanted_s: How long shall be heard, in seconds.
        hop_s: The time from one window to the next in seconds.
    """
    every = math.ceil(wanted_s / hop_s / MOST_EMBEDDINGS)
    return index // STRETCH % every == 0
