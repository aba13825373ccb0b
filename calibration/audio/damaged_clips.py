"""What is done about clips of a data set that cannot be used."""

from __future__ import annotations

import logging

from asd_edge.calibration.errors import SoundError

log = logging.getLogger(__name__)


class DamagedClips:
    """Counts the clips that cannot be used and are left out, or stops at the first.

    Args:
        skip: Whether to go on without them.
    """

    def __init__(self, skip: bool) -> None:
        self._skip = skip
        self.count = 0

    def add(self, error: SoundError) -> None:
        """Note a clip that cannot be used, with the error that reading it raised.

        Raises:
            SoundError: Clips are not to be skipped: this is the same error, with a word on how to skip them.
        """
        if not self._skip:
            error.next_step += "; or leave such clips out with --skip-damaged"
            raise error
        self.count += 1
        log.info("left out: %s: %s", error.got, error.what)
