"""What is told of an error that ended the program: one clear message, whatever it was."""

from __future__ import annotations

import errno
import importlib.metadata
import re
from collections.abc import Sequence

from asd_edge.calibration.errors import InputError

DEBUG_VARIABLE = "ASD_EDGE_DEBUG"
"""The environment variable that shows tracebacks as ``--debug`` does, for what a service starts."""
_LONGEST = 600
"""More characters of another library's message would hide the message around it."""
_SPACE = ("room for what is written", "free some space, or write to another disk")
_FILES = ("fewer files and microphones at a time", "raise the limit of open files, such as ulimit -n 4096")
_SYSTEM: dict[int, tuple[str, str]] = {
    errno.EACCES: ("a path that this user may use", "choose another path, or ask its owner"),
    errno.EPERM: ("what this user may do", "choose another path, or ask its owner"),
    errno.ENOENT: ("a path that is there", "check the path"),
    errno.ENOTDIR: ("a path whose parts before the last are folders", "check the path"),
    errno.EISDIR: ("the path of a file", "name a file in that folder"),
    errno.ENAMETOOLONG: ("a name of at most 255 bytes", "choose a shorter name"),
    errno.ELOOP: ("links that lead to a file or a folder", "look where the link leads: ls -l"),
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EROFS: ("a disk that can be written", "choose a path on another disk"),
    errno.EIO: ("a disk that can be read and written", "check the disk, or choose a path on another one"),
}
"""What would be valid, and what to do, where the operating system refused something."""


def clear_error(error: BaseException, command: Sequence[str]) -> InputError:
    """An error as one that says what a user can do about it.

    Args:
        error: The error that ended the program.
        command: The words after the program's name.
    """
    if isinstance(error, InputError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error, command)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return InputError(
            "There is not enough memory.",
            got=str(error) or "a request for memory that was refused",
            valid="a smaller model, fewer threads or fewer microphones, or a computer with more memory",
            next_step="end other programs, or raise the limit (ulimit -v)",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _refused_by_the_system(error)
    told = f"{type(error).__name__}: {error}"
    return InputError(
        "Something went wrong that this program did not expect.",
        got=told if len(told) <= _LONGEST else f"{told[:_LONGEST]} ...",
        valid="whatever was given, a message that says what is wrong with it",
        next_step=f"add --debug (or set {DEBUG_VARIABLE}=1) to see where it happened, and report that to those who "
        "make asd-edge",
    )


def _refused_by_the_system(error: OSError) -> InputError:
    valid, next_step = _SYSTEM.get(
        error.errno or 0, ("what the operating system allows", f"add --debug (or set {DEBUG_VARIABLE}=1) to see where")
    )
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return InputError(
        f"The operating system refused: {error.strerror}.",
        got=" and ".join(names) or "what the program reads or writes",
        valid=valid,
        next_step=next_step,
    )


def _missing_module(error: ModuleNotFoundError, command: Sequence[str]) -> InputError:
    extra = _extra_with(error.name or "", command[:1])
    package = f"'asd-edge[{extra}]'" if extra else str(error.name)
    return InputError(
        f"This command needs {error.name}, which is not installed.",
        got=f"no module named {error.name}",
        valid=f"asd-edge with the extra '{extra}'" if extra else f"a Python with {error.name}",
        next_step=f"pip install {package}",
    )


def _extra_with(module: str, command: Sequence[str]) -> str | None:
    """The extra of this distribution that would install a module: the command's own, if it has one of its name."""
    wanted = module.partition(".")[0].replace("_", "-").lower()
    extras: list[str] = []
    for requirement in importlib.metadata.requires("asd-edge") or []:
        parts = re.match(r"([\w.-]+)(?:\[([^]]*)\])?.*extra == ['\"]([^'\"]+)", requirement)
        if parts is None:
            continue
        name, inner, extra = parts.groups()
        if name.lower() == wanted or (name == "asd-edge" and set((inner or "").split(",")) & set(extras)):
            extras.append(extra)
    return next((extra for extra in extras if extra in command), extras[0] if extras else None)
