"""One writer of a bank at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from asd_edge.calibration.atomic_files import real_path
from asd_edge.calibration.errors import BankError


@contextlib.contextmanager
def locked_bank(path: Path) -> Iterator[None]:
    """Keep other enrolments out of a bank, whichever symbolic link they come by.

    The lock is a hidden file beside the bank, which is removed afterwards. A process that opened it before it was
    removed finds that out when it locks it (filelock from 3.21 on), so that nobody holds a lock of another file.

    Args:
        path: The path of the bank; its folder is there.

    Raises:
        BankError: Another process holds the lock, or it cannot be taken.
    """
    from filelock import FileLock, Timeout  # only enrolling writes

    lock_path = path
    try:
        target = real_path(path)
        lock_path = target.with_name(f".{target.name}.lock")
        lock = FileLock(lock_path)
        lock.acquire(timeout=0)
    except Timeout:
        raise BankError(
            "Another process is enrolling into this bank.",
            got=path,
            valid="one enrolment at a time",
            next_step="wait for it, or choose another path",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise BankError(
            f"The bank cannot be locked: {getattr(error, 'strerror', None) or error}.",
            got=lock_path,
            valid="no such file, or one that was left by an enrolment of this user",
            next_step="remove it if no enrolment goes on, or choose another path",
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock_path.unlink()
        lock.release()
