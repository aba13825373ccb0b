"""The references of a bank while windows are added: every window keeps its embedding, time, recording and domain."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import pytest

from asd_edge.calibration.bank.bank import make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.bank.coreset import reduce_bank
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording

INFO = BankInfo("0" * 64, "test", 10.0, 5.0)
FIRST, SECOND = Recording("1", "first.wav", "source"), Recording("2", "second.wav", "target")


def output(number: float) -> ModelOutput:
    return ModelOutput(np.array([number, number**2], np.float32), 10.0 * number)


def test_windows_of_two_recordings_that_take_turns() -> None:
    growing = GrowingReferences()
    places = [(FIRST, 0.0), (SECOND, 5.0), (FIRST, 10.0), (SECOND, 0.0), (FIRST, 5.0)]
    for number, (recording, start_s) in enumerate(places):
        assert not growing.hold(recording, start_s)
        growing.add(recording, start_s, output(number))
        assert growing.hold(recording, start_s)
    assert len(growing) == 5
    info, references = growing.so_far(INFO)
    assert info == replace(INFO, recordings=(FIRST, SECOND))
    assert references.embeddings.tolist() == [[0, 0], [1, 1], [2, 4], [3, 9], [4, 16]]
    assert references.timeline.recordings.tolist() == [0, 1, 0, 1, 0]
    assert references.timeline.starts_s.tolist() == [0.0, 5.0, 10.0, 0.0, 5.0]
    assert references.timeline.window_s == 10.0
    assert references.domains.tolist() == ["source", "target", "source", "target", "source"]
    assert references.reconstruction_errors is not None
    assert references.reconstruction_errors.tolist() == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_models_that_rebuild_nothing_have_no_errors() -> None:
    growing = GrowingReferences()
    growing.add(FIRST, 0.0, ModelOutput(np.ones(2, np.float32)))
    assert growing.so_far(INFO)[1].reconstruction_errors is None


@pytest.mark.parametrize("most", [None, 12])
def test_a_bank_goes_on_where_it_was(most: int | None) -> None:
    """Windows that it left out to stay small are held as well: they are not enrolled twice."""
    growing = GrowingReferences()
    for number in range(20):
        growing.add(FIRST if number < 10 else SECOND, 10.0 * (number % 10), output(number))
    info, references = growing.so_far(replace(INFO, max_references=most))
    bank, _ = reduce_bank(make_bank(info, references))
    again = GrowingReferences(bank)
    assert len(again) == (most or 20)
    assert all(again.hold(recording, 10.0 * index) for recording in (FIRST, SECOND) for index in range(10))
    assert not again.hold(FIRST, 5.0)
    assert not again.hold(Recording("3", "third.wav"), 0.0)
    same_info, same = again.so_far(bank.info)
    assert same_info == bank.info
    np.testing.assert_array_equal(same.embeddings, bank.references.embeddings)
    np.testing.assert_array_equal(same.timeline.starts_s, bank.references.timeline.starts_s)
    np.testing.assert_array_equal(same.domains, bank.references.domains)
    np.testing.assert_array_equal(same.reconstruction_errors, bank.references.reconstruction_errors)


def test_an_interruption_leaves_a_window_whole_or_not_there() -> None:
    """Ctrl-C may come between any two lines: whatever is there then can be saved, and the window can be added again."""
    lines = 0
    while True:
        growing = GrowingReferences()
        growing.add(FIRST, 0.0, output(1))
        interrupted = interrupt_after(lines, lambda growing=growing: growing.add(SECOND, 5.0, output(2)))
        info, references = growing.so_far(INFO)
        count = len(growing)
        assert len(references) == count in (1, 2)
        assert growing.hold(SECOND, 5.0) == (count == 2)
        assert references.timeline.recordings.max() < len(info.recordings)
        growing.add(SECOND, 5.0, output(2))
        assert growing.so_far(INFO)[1].embeddings.tolist() == [[1, 1], [2, 4]]
        if not interrupted:
            break
        lines += 1
    assert lines >= 4


def interrupt_after(steps: int, function: Callable[[], None]) -> bool:
    """Raise KeyboardInterrupt at one step of Python's in what a function calls; tell whether it came so far."""
    left = steps

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_code.co_filename.endswith("builder.py"):
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
