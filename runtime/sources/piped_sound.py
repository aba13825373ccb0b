"""Sound that comes through a pipe, such as ``/dev/stdin`` or ``<(...)`` of a shell, kept until it was heard."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import IO

from asd_edge.calibration.errors import SoundError

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
"""How much is kept at most: nine hours at 16 kHz, and less than the disk or memory of most devices. A pipe may never
end."""
_AT_ONCE = 1 << 20


def spooled(path: Path) -> IO[bytes]:
    """Read a pipe to its end, into a file without a name that is gone when it is closed.

    A decoder moves to and fro in a file and a pipe gives everything once.

    Args:
        path: The path of the pipe. Opening it waits until somebody writes.

    Raises:
        OSError: The pipe cannot be read, or there is no room for what comes out of it.
        SoundError: More comes out of the pipe than is kept.
    """
    log.info("%s is a pipe: it is read to its end first.", path)
    spool = tempfile.TemporaryFile()  # noqa: SIM115  whoever asked for it closes it
    try:
        with path.open("rb", buffering=0) as pipe:
            while data := os.read(pipe.fileno(), _AT_ONCE):
                if spool.tell() + len(data) > MOST_BYTES:
                    raise SoundError(
                        "More comes out of the pipe than is kept.",
                        got=path,
                        valid=f"up to {MOST_BYTES >> 20} MiB of sound",
                        next_step="write the sound to a file, and give its path",
                    )
                spool.write(data)
        spool.flush()
    except BaseException:
        spool.close()
        raise
    return spool
