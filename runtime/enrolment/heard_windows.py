"""The windows of one run of an enrolment, saved as they come, so that a power loss costs little."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from asd_edge.calibration.audio.windowing import Window
from asd_edge.calibration.bank.bank import Bank, collected, load_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import counted
from asd_edge.runtime.enrolment.start import now
from asd_edge.runtime.enrolment.taking_in import add_windows
from asd_edge.runtime.pipeline.band_watch import BandSum

log = logging.getLogger(__name__)

SAVE_EVERY_S = 5.0
"""The time between two savings in seconds: a power loss costs at most so much sound, or one window where the hop is
longer."""
_SAVING_SHARE = 20.0
"""Saving may take one part in so many of the time, so that a large bank is saved less often."""


class HeardWindows:
    """The windows of one run of an enrolment, with nothing learned from them.

    Args:
        path: The path of the file that they are saved in.
        info: What the bank says about itself that they are for.
        probe: What the model gives for the known sounds, (sounds, dimensions); none where that is not finite.

    Attributes:
        added: The number of windows.
        saved: How many of them were saved.
        refused: How many others were refused, by reason.
    """

    def __init__(self, path: Path, info: BankInfo, probe: FloatArray | None) -> None:
        self.added = self.saved = 0
        self.refused: Counter[str] = Counter()
        self._path = path
        self._info = info
        self._probe = probe
        self._references = GrowingReferences()
        self._bands = BandSum()
        self._saved_at = time.monotonic()
        self._saving_s = 0.0

    @property
    def levels_db(self) -> tuple[float, ...]:
        """The mean levels of the bands of the windows in decibels; empty while there is none."""
        return self._bands.levels_db

    def hold(self, window: Window) -> bool:
        """Whether the window is among them."""
        return self._references.hold(window.recording, window.start_s)

    def add(self, window: Window, output: ModelOutput, levels_db: FloatArray) -> None:
        """Add a window, with what the model gives for it and the levels of its bands."""
        self._references.add(window.recording, window.start_s, output)
        self.added += 1
        self._bands.add(levels_db)

    def go_on(self) -> None:
        """Begin with the windows of an enrolment into this bank that was cut off, such as by a power loss."""
        cut_off = load_bank(self._path)
        if (cut_off.info.created, cut_off.info.model_sha256) != (self._info.created, self._info.model_sha256):
            log.warning("Windows that were heard for another bank of this name are given up: %s", self._path)
            return
        self.added = add_windows(self._references, cut_off)
        self.refused.update(cut_off.info.refused)
        self._bands.add(cut_off.info.band_levels_db, self.added, cut_off.info.level_deviation_db)
        log.info("An enrolment was cut off: %s of it will be taken in, too.", counted(self.added, "window"))

    def save_when_due(self) -> None:
        """Save the windows once in a while; where they cannot be written now, the disk may have room by the next."""
        if time.monotonic() - self._saved_at <= max(SAVE_EVERY_S, _SAVING_SHARE * self._saving_s):
            return
        try:
            self.save()
        except InputError as error:
            self._saved_at = time.monotonic()
            log.warning("The windows could not be saved so far, and listening goes on: %s", error.what)

    def save(self) -> Bank:
        """Save the windows.

        Returns:
            The windows as they were saved: a bank that has learned nothing.

        Raises:
            InputError: They cannot be written.
        """
        began = time.monotonic()
        info = replace(
            self._info,
            updated=now(),
            refused=dict(self.refused),
            band_levels_db=self.levels_db,
            level_deviation_db=self._bands.deviation_db,
        )
        bank = collected(*self._references.so_far(info), probe=self._probe)
        bank.save(self._path)
        self.saved = self.added
        self._saved_at = time.monotonic()
        self._saving_s = self._saved_at - began
        return bank
