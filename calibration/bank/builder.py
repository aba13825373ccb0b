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

    Args:
        bank: A bank whose references come first; none for a new one.
    """

    def __init__(self, bank: Bank | None = None) -> None:
        self._outputs: list[ModelOutput] = []
        self._places: list[tuple[int, float]] = []
        self._recordings = [] if bank is None else list(bank.info.recordings)
        self._numbers = {recording.id: number for number, recording in enumerate(self._recordings)}
        self.left_out = None if bank is None else bank.left_out
        if bank is not None:
            errors = bank.references.reconstruction_errors
            told = [None] * len(bank.references) if errors is None else errors.tolist()
            self._outputs = list(map(ModelOutput, bank.references.embeddings, told))
            self._places = _places(bank.references.timeline)
        self._held = set(self._places)
        if self.left_out is not None:
            self._held.update(_places(self.left_out.timeline))

    def __len__(self) -> int:
        return len(self._outputs)

    def hold(self, recording: Recording, start_s: float) -> bool:
        """Whether the window that begins there is held already, as when a file is enrolled twice."""
        number = self._numbers.get(recording.id)
        return number is not None and (number, start_s) in self._held

    def add(self, recording: Recording, start_s: float, output: ModelOutput) -> None:
        """Take a window that is not there yet.

        Args:
            recording: The recording that the window was cut from.
            start_s: The window's start in its recording, in seconds.
            output: What the model gave for it.
        """
        if recording.id not in self._numbers:
            self._numbers[recording.id] = len(self._recordings)
            self._recordings.append(recording)
        place = self._numbers[recording.id], start_s
        self._places.append(place)
        self._held.add(place)
        self._outputs.append(output)

    def so_far(self, info: BankInfo) -> tuple[BankInfo, References]:
        """Give the bank's description with the recordings that were heard, and all references."""
        info = replace(info, recordings=tuple(self._recordings))
        numbers = np.array([number for number, _ in self._places], np.int32)
        starts_s = np.array([start_s for _, start_s in self._places], np.float64)
        errors = [output.reconstruction_error for output in self._outputs]
        return info, References(
            np.stack([output.embedding for output in self._outputs]),
            Timeline(numbers, starts_s, info.window_s),
            domains_of(info.recordings, numbers),
            None if errors[0] is None else np.array(errors, np.float64),
        )


def _places(timeline: Timeline) -> list[tuple[int, float]]:
    return list(zip(timeline.recordings.tolist(), timeline.starts_s.tolist(), strict=True))
