"""Evaluating from Python: what the command does is there by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import asd_edge.benchmarks
from asd_edge.benchmarks import EvaluateSettings, evaluate
from asd_edge.calibration.errors import InputError


@pytest.mark.parametrize("name", asd_edge.benchmarks.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(asd_edge.benchmarks, name))


def test_a_name_that_is_not_there_is_an_error_and_not_a_module() -> None:
    with pytest.raises(AttributeError, match="evaluat"):
        _ = asd_edge.benchmarks.evaluat
    assert callable(evaluate)


def test_the_settings_document_themselves() -> None:
    assert "skip_damaged: Whether clips that cannot be read are left out" in (EvaluateSettings.__doc__ or "")


def test_values_of_another_type_are_told(tmp_path: Path) -> None:
    wrong: Any = "logmel"
    with pytest.raises(InputError, match="evaluate cannot use this value of models") as told:
        evaluate(EvaluateSettings(tmp_path / "results", tmp_path), wrong)
    assert "EvaluatedModels or a Model" in told.value.valid
