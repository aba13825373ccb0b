"""How a file or a folder is written: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from asd_edge.calibration.errors import InputError

_NEXT_STEPS = {
    errno.ENOSPC: "free some space, or choose a path on another disk",
    errno.EDQUOT: "free some space, or choose a path on another disk",
    errno.EFBIG: "raise the file size limit (ulimit -f)",
    errno.EROFS: "choose a path on a disk that can be written",
    errno.EACCES: "choose a folder you may write to, or ask its owner",
    errno.ENOENT: "make the folder first, or choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "see where the symbolic links lead (ls -l), or choose another path",
}


def check_writable(path: Path, size_bytes: int = 4096) -> None:
    """Find out before the work begins whether `write_whole` could write here, by making and removing a small file.

    Args:
        path: The path of the file.
        size_bytes: About how large the file will be.

    Raises:
        InputError: The path is a folder, or the folder that it is in is missing, read-only or too full.
    """
    with _explained(path):
        path = _place_of_file(path)
        if path.is_dir():
            raise InputError(
                "The output path is a folder.",
                got=path,
                valid="the path of a file",
                next_step="name a file in that folder",
            )
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            os.write(handle, b"\0" * 4096)
            os.fsync(handle)
            free = shutil.disk_usage(path.parent).free
            if free < size_bytes:
                raise OSError(errno.ENOSPC, f"it needs {size_bytes / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free")
        finally:
            os.close(handle)
            Path(name).unlink()


def make_folder(path: Path, what: str, option: str) -> None:
    """Make a folder, and those above it, where there is none yet.

    Args:
        path: The path of the folder.
        what: What the folder is for, for the message: "the features".
        option: The option that names another folder, for the message.

    Raises:
        InputError: The folder cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder for {what}: {error.strerror}.",
            got=path,
            valid="a folder that exists or can be made",
            next_step=f"choose another path with {option}",
        ) from error


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only when all of it is on the disk.

    The content goes to a temporary file in the same folder, which is synced and renamed; on any error, a power loss
    included, `path` is what it was before. A symbolic link stays one, and what it leads to is replaced. A file that is
    replaced gives its permissions to the new one and, where this user may do that, its owner. Of a file with several
    names (hard links) only this name gets the new content.

    Args:
        path: The path that the file shall have.

    Yields:
        A binary file to write to.

    Raises:
        InputError: The folder is missing or read-only, or the disk is full.
    """
    with _explained(path):
        path = _place_of_file(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                _give_permissions(file.fileno(), path)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextlib.contextmanager
def write_folder(path: Path) -> Iterator[Path]:
    """Fill a new folder that takes its place only when everything in it is written.

    Args:
        path: The path that the folder shall have; an empty folder may be there.

    Yields:
        A folder beside it to write into, which is removed on any error.

    Raises:
        InputError: There is something at this path, or a folder cannot be made there.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(
            "There is something at the output path already.",
            got=path,
            valid="a new folder, or an empty one",
            next_step="choose another path, or move away what is there",
        )
    with _explained(path):
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        with _explained(path):
            temporary.chmod(0o777 & ~_umask())
            temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def real_path(path: Path) -> Path:
    """The path of the file that a path leads to, through symbolic links, whether or not it is there.

    Raises:
        OSError: It cannot be found out.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "the path has a zero byte in it")
    return Path(os.path.realpath(path))


def _place_of_file(path: Path) -> Path:
    """The path that a file is written at, where there is a file or nothing.

    Raises:
        InputError: A pipe, a socket or a device is there, which a file would take the place of.
        OSError: It cannot be found out.
    """
    path = real_path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return path
    raise InputError(
        "The output path is no file but a pipe, a socket or a device.",
        got=path,
        valid="the path of a file",
        next_step="choose another path",
    )


def _give_permissions(handle: int, path: Path) -> None:
    """Give an open file the permissions and the owner of the file that it takes the place of, or those of a new one."""
    try:
        old = path.stat()
    except FileNotFoundError:
        os.fchmod(handle, 0o666 & ~_umask())
        return
    mode = old.st_mode & 0o777
    new = os.fstat(handle)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(handle, old.st_uid, old.st_gid)
        except PermissionError:
            try:
                os.fchown(handle, -1, old.st_gid)
            except PermissionError:
                # What the old group may do is no business of another one.
                mode = (mode & ~0o070) | (mode & 0o007) << 3
    os.fchmod(handle, mode)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write {path.name}: {error.strerror or error}.",
            got=path,
            valid="a folder that exists and can be written, on a disk with space",
            next_step=_NEXT_STEPS.get(error.errno or 0, "choose another path"),
        ) from error


def file_sha256(path: Path, between: Callable[[], None] | None = None) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Args:
        path: The path of the file.
        between: Called before each megabyte; what it raises ends the reading.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            if between is not None:
                between()
            digest.update(chunk)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power loss (POSIX; elsewhere a folder cannot be opened)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's umask, which `mkstemp` ignores; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
