"""The references of a bank while it is being enrolled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asd_edge.calibration.bank import Bank, BankInfo, make_bank
from asd_edge.runtime.sound import FloatArray
from asd_edge.runtime.windows import Window


class References:
    """Embeddings with where they came from, growing.

    Args:
        bank: One whose references come first.
    """

    def __init__(self, bank: Bank | None = None) -> None:
        self.embeddings: list[FloatArray] = [] if bank is None else list(bank.embeddings)
        recordings = () if bank is None else bank.info.recordings
        self._numbers = {recording.id: number for number, recording in enumerate(recordings)}
        self._recordings = list(recordings)
        self._places: dict[tuple[int, float], None] = {}
        if bank is not None:
            places = zip(bank.timeline.recordings.tolist(), bank.timeline.starts_s.tolist(), strict=True)
            self._places = dict.fromkeys(places)

    def hold(self, window: Window) -> bool:
        """Whether this very window is there already, as when a file is enrolled twice."""
        number = self._numbers.get(window.recording.id)
        return number is not None and (number, window.start_s) in self._places

    def add(self, window: Window, embedding: FloatArray) -> None:
        """Take a window that is not there yet."""
        if window.recording.id not in self._numbers:
            self._numbers[window.recording.id] = len(self._recordings)
            self._recordings.append(window.recording)
        self._places[self._numbers[window.recording.id], window.start_s] = None
        self.embeddings.append(embedding)

    def bank(self, info: BankInfo) -> Bank:
        """Learn from all of them; see `make_bank`."""
        return make_bank(
            replace(info, recordings=tuple(self._recordings)),
            np.stack(self.embeddings),
            np.array([number for number, _ in self._places], np.int32),
            np.array([start_s for _, start_s in self._places], np.float64),
        )
