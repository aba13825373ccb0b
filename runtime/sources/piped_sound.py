"""Sound that comes through a pipe, such as ``/dev/stdin`` or ``<(...)`` of a shell, kept until it was heard."""

from __future__ import annotations

import logging
import os
import tempfile
import weakref
from pathlib import Path

from asd_edge.calibration.errors import SoundError

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
"""How much is kept at most: nine hours at 16 kHz, and less than the disk or memory of most devices. A pipe may never
end."""
_AT_ONCE = 1 << 20


class PipedSound:
    """What came out of a pipe, in a file without a name that is gone with this object.

    A decoder moves to and fro in a file, and a pipe gives everything once.

    Args:
        pipe: The path of the pipe. Opening it waits until somebody writes.

    Attributes:
        path: A path by which this process can open the file, as often as it likes.

    Raises:
        OSError: The pipe cannot be read, or there is no room for what comes out of it.
        SoundError: More comes out of the pipe than is kept.
    """

    def __init__(self, pipe: Path) -> None:
        log.info("%s is a pipe: it is read to its end first.", pipe)
        with tempfile.TemporaryFile() as file, pipe.open("rb", buffering=0) as opened:
            while data := opened.read(_AT_ONCE):
                if file.tell() + len(data) > MOST_BYTES:
                    raise SoundError(
                        "More comes out of the pipe than is kept.",
                        got=pipe,
                        valid=f"up to {MOST_BYTES >> 20} MiB of sound",
                        next_step="write the sound to a file, and give its path",
                    )
                file.write(data)
            file.flush()
            handle = os.dup(file.fileno())
        weakref.finalize(self, os.close, handle)
        self.path = Path(f"/proc/self/fd/{handle}")
