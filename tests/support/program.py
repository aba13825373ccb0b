"""The program inside the process of the tests: what it prints, and how it exits."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from asd_edge.runtime.cli import main

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""What runs the program: words in, its exit code and what it printed out."""
_COLUMNS = "80"
"""The width of a process that is run without a terminal."""


def run_in_this_process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `asd-edge` to its end.

    Args:
        arguments: The words after the program's name.
        cwd: The folder to run it in; the current one when left out.
    """
    words = [str(argument) for argument in arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with _surroundings(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as left:
            code = left.code or 0
        except BaseException:  # noqa: BLE001  as Python does with what nobody catches
            traceback.print_exc()
            code = 1
    assert isinstance(code, int), code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(["asd-edge", *words], code, *texts)


@contextlib.contextmanager
def _surroundings(cwd: Path | None) -> Iterator[None]:
    """What a process of its own would have, and what it changes would not outlive."""
    handler, columns, folder = signal.getsignal(signal.SIGTERM), os.environ.get("COLUMNS"), Path.cwd()
    os.environ["COLUMNS"] = _COLUMNS
    os.chdir(cwd or folder)
    try:
        yield
    finally:
        os.chdir(folder)
        signal.signal(signal.SIGTERM, handler)
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
