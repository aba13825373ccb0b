"""The models that the tests of inference share."""

from __future__ import annotations

from pathlib import Path

import pytest
from attentive_model import write_attentive_model
from linear_model import write_linear_model


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one product of matrices."""
    return write_linear_model(tmp_path_factory.mktemp("linear") / "linear.onnx")


@pytest.fixture(scope="session")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with three nodes of ONNX's operator Attention."""
    return write_attentive_model(tmp_path_factory.mktemp("attentive") / "attentive.onnx")
