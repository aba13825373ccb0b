"""Evaluating from Python: what the command does is there by name, without the command's options."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import asd_edge.benchmarks.evaluate
from asd_edge.benchmarks.evaluate import evaluate, load_models
from asd_edge.calibration.errors import InputError


@pytest.mark.parametrize("name", asd_edge.benchmarks.evaluate.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(asd_edge.benchmarks.evaluate, name))


def test_a_name_that_is_not_there_is_an_error_and_not_a_module() -> None:
    with pytest.raises(AttributeError, match="evaluat"):
        _ = asd_edge.benchmarks.evaluate.evaluat
    assert callable(evaluate)
    assert callable(load_models)


def test_values_of_another_type_are_told(tmp_path: Any) -> None:
    wrong: Any = "logmel"
    with pytest.raises(InputError, match="evaluate cannot use this value of model") as told:
        evaluate(tmp_path, wrong, tmp_path / "results")
    assert "Model()" in told.value.next_step
