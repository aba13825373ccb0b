"""The file of the store: how it is opened, what its tables are, and what is done about one that is damaged."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from pathlib import Path

from asd_edge.calibration.atomic_files import real_path
from asd_edge.calibration.errors import InputError

log = logging.getLogger(__name__)

STORE_VERSION = 1
"""The version of the tables, as ``PRAGMA user_version`` has it. One more statement in `_VERSIONS` raises it."""
PATIENCE_S = 5.0
"""How long a process waits in seconds while another one writes: far longer than any transaction here takes."""
_AGAIN_S = 0.02
"""The time between two tries to open a file that another process is making."""
_PAGES = 1024
"""The pages of 4 kB that the log may grow to before it is written back, 4 MB: a small disk has room for it."""
_FIRST = """
CREATE TABLE banks (id INTEGER PRIMARY KEY, created TEXT NOT NULL UNIQUE);
CREATE TABLE recordings (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, source TEXT NOT NULL, domain TEXT NOT NULL,
    live INTEGER NOT NULL
);
CREATE TABLE periods (
    id INTEGER PRIMARY KEY AUTOINCREMENT, bank INTEGER NOT NULL REFERENCES banks, wanted_s REAL NOT NULL,
    heard_s REAL NOT NULL DEFAULT 0, began REAL NOT NULL, latest REAL NOT NULL, windows INTEGER NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', answered REAL
);
CREATE TABLE windows (
    id INTEGER PRIMARY KEY, bank INTEGER NOT NULL REFERENCES banks, recording INTEGER NOT NULL REFERENCES recordings,
    start_s REAL NOT NULL, heard_at REAL NOT NULL, score REAL NOT NULL, threshold REAL NOT NULL,
    level_dbfs REAL NOT NULL, period INTEGER REFERENCES periods, UNIQUE (bank, recording, start_s)
);
CREATE TABLE embeddings (
    window INTEGER PRIMARY KEY REFERENCES windows, embedding BLOB NOT NULL, reconstruction_error REAL, levels_db BLOB
);
CREATE INDEX windows_of_period ON windows (period) WHERE period IS NOT NULL;
CREATE TABLE alarms (
    id INTEGER PRIMARY KEY AUTOINCREMENT, bank INTEGER NOT NULL REFERENCES banks, period INTEGER REFERENCES periods,
    recording INTEGER NOT NULL REFERENCES recordings, first_s REAL NOT NULL, start_s REAL NOT NULL, began REAL NOT NULL,
    ended REAL, duration_s REAL NOT NULL, windows INTEGER NOT NULL, highest REAL NOT NULL, threshold REAL NOT NULL,
    answer TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', answered REAL
);
CREATE INDEX alarms_by_place ON alarms (bank, recording, start_s);
CREATE TABLE alarm_windows (
    alarm INTEGER NOT NULL REFERENCES alarms, window INTEGER NOT NULL REFERENCES windows, PRIMARY KEY (alarm, window)
) WITHOUT ROWID;
CREATE INDEX alarms_of_window ON alarm_windows (window);
"""
_VERSIONS = (_FIRST,)
"""What makes each version of the tables out of the one before; the first begins with an empty file."""
_DAMAGE = ("malformed", "not a database", "corrupt")
"""What SQLite says of a file that is damaged."""


class StoreError(InputError):
    """The store cannot be read or written."""


def store_path(bank: Path) -> Path:
    """Where the store of a bank is kept: the alarms of its machine, and what people said about them."""
    place = real_path(bank)
    return place.with_name(f"{place.name}.store")


def open_store(path: Path) -> sqlite3.Connection:
    """Open the file of a store to write to it, or make it.

    What was written is on the disk when a transaction ends, also where power is lost a moment later.

    Args:
        path: The path of the file.

    Raises:
        StoreError: It was written by a newer version.
        sqlite3.Error: It cannot be opened or is damaged.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _open_once(path)
        except sqlite3.OperationalError as error:
            # SQLite waits for whoever writes, but not for whoever makes the file at this moment.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)


def _open_once(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    try:
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {4096 * _PAGES}")
        _bring_up_to_date(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the file of a store to read it, also where nothing may be written there.

    Args:
        path: The path of the file, which is there.

    Raises:
        StoreError: It was written by a newer version.
        sqlite3.Error: It cannot be opened or is damaged.
    """
    with contextlib.suppress(sqlite3.OperationalError):
        return open_store(path)
    where = f"{path.absolute().as_uri()}?mode=ro"
    for options in ("", "&immutable=1"):  # without its log, which cannot be made in a folder that is read-only
        connection = sqlite3.connect(where + options, timeout=PATIENCE_S, isolation_level=None, uri=True)
        try:
            _refuse_newer(connection, path)
            return connection
        except sqlite3.OperationalError:
            connection.close()
            if options:
                raise
    raise AssertionError("one of both was tried last")


def damaged(error: Exception) -> bool:
    """Whether an error says that the file of a store is damaged, and not that it cannot be reached now."""
    return isinstance(error, sqlite3.DatabaseError) and any(words in str(error) for words in _DAMAGE)


def set_aside(path: Path) -> Path:
    """Give the damaged file of a store another name, so that a new one can be begun.

    Args:
        path: The path of the file.

    Returns:
        Where it is now.
    """
    aside = path.with_name(f"{path.name}.damaged")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.replace(aside)
    return aside


def unusable(path: Path, error: Exception) -> StoreError:
    """What to say where the store is needed and cannot be used."""
    if isinstance(error, StoreError):
        return error
    return StoreError(
        f"What was heard of this machine cannot be read or written: {error}.",
        got=path,
        valid="a file of asd-edge in a folder that can be written to, on a disk with room",
        next_step=f"move it away, and a new one is begun: mv {path} {path}.old"
        if damaged(error)
        else "check the folder, its permissions and the disk",
    )


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    if _refuse_newer(connection, path) == STORE_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _refuse_newer(connection, path)  # another process may have been quicker
        for statements in _VERSIONS[version:]:
            for statement in filter(str.strip, statements.split(";\n")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {STORE_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables, which is no newer than this program knows."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > STORE_VERSION:
        raise StoreError(
            "What was heard of this machine was written by a newer version of asd-edge.",
            got=f"{path}, version {version}",
            valid=f"version 1 to {STORE_VERSION}",
            next_step="pip install --upgrade asd-edge",
        )
    return version
