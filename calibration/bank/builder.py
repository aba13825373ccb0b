"""The references of a bank while it is being enrolled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording, References, Timeline, domains_of


class GrowingReferences:
    """The references of a bank, and where they came from, while windows are added.

    Each window is added in one step, so that an interruption (Ctrl-C) leaves all of it there or nothing.

    Args:
        bank: A bank whose references come first; none for a new one.
    """

    def __init__(self, bank: Bank | None = None) -> None:
        self._before = None if bank is None else bank.references
        known = () if bank is None else bank.info.recordings
        self._recordings = {recording.id: (number, recording) for number, recording in enumerate(known)}
        self.left_out = None if bank is None else bank.left_out
        self._held_before: set[tuple[int, float]] = set()
        if self._before is not None:
            self._held_before.update(self._before.timeline.places)
        if self.left_out is not None:
            self._held_before.update(self.left_out.timeline.places)
        self._added: dict[tuple[int, float], ModelOutput] = {}

    def __len__(self) -> int:
        return len(self._added) + (0 if self._before is None else len(self._before))

    def hold(self, recording: Recording, start_s: float) -> bool:
        """Whether the window that begins there is held already, as when a file is enrolled twice."""
        known = self._recordings.get(recording.id)
        place = None if known is None else (known[0], start_s)
        return place in self._held_before or place in self._added

    def add(self, recording: Recording, start_s: float, output: ModelOutput) -> None:
        """Take a window that is not there yet.

        Args:
            recording: The recording that the window was cut from.
            start_s: The window's start in its recording, in seconds.
            output: What the model gave for it.
        """
        self._added[self._number(recording), start_s] = output

    def so_far(self, info: BankInfo) -> tuple[BankInfo, References]:
        """Give the bank's description with the recordings that were heard, and all references."""
        info = replace(info, recordings=tuple(recording for _, recording in self._recordings.values()))
        if not self._added and self._before is not None:
            return info, self._before
        numbers = np.array([number for number, _ in self._added], np.int32)
        starts_s = np.array([start_s for _, start_s in self._added], np.float64)
        errors = [output.reconstruction_error for output in self._added.values()]
        added = References(
            np.stack([output.embedding for output in self._added.values()]),
            Timeline(numbers, starts_s, info.window_s),
            domains_of(info.recordings, numbers),
            None if errors[0] is None else np.array(errors, np.float64),
        )
        return info, added if self._before is None else self._before.with_more(added, None)

    def _number(self, recording: Recording) -> int:
        return self._recordings.setdefault(recording.id, (len(self._recordings), recording))[0]
