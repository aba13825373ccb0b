import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd_edge.calibration.contract.model_info import MODEL_FORMAT, ModelInfo
from asd_edge.calibration.errors import ModelError

FULL = ModelInfo(
    recipe="beats-asp",
    samples=80_000,
    dimensions=768,
    precision="int8",
    scorer="nearest",
    checkpoint_sha256="ab" * 32,
    parity={"max_abs_error": 1.5e-05, "max_error_over_deviation": 0.1},
)


@pytest.mark.parametrize("info", [FULL, ModelInfo("logmel", 160_000, 381)])
def test_what_was_written_is_read(info: ModelInfo) -> None:
    assert ModelInfo.from_json(info.to_json()) == info


@given(st.dictionaries(st.text(), st.floats(allow_nan=False)), st.text())
@settings(max_examples=30)
def test_any_name_and_number_survives(parity: dict[str, float], recipe: str) -> None:
    info = ModelInfo(recipe, 1, 1, parity=parity)
    assert ModelInfo.from_json(info.to_json()) == info


def test_the_same_description_is_the_same_text() -> None:
    other_order = ModelInfo("a", 1, 1, parity={"y": 1.0, "x": 2.0})
    assert ModelInfo("a", 1, 1, parity={"x": 2.0, "y": 1.0}).to_json() == other_order.to_json()


def test_the_window_in_seconds() -> None:
    assert FULL.window_s == 5.0
    assert ModelInfo("logmel", 160_000, 381).window_s == 10.0


def test_the_outputs_in_their_order() -> None:
    assert FULL.outputs == ("embedding",)
    attentive = ModelInfo("beats-asp", 160_000, 1536, patch_grid=(62, 8))
    assert attentive.outputs == ("embedding", "patch_weights")
    autoencoder = ModelInfo("fs-ae", 160_000, 8, reconstruction=True)
    assert autoencoder.outputs == ("embedding", "reconstruction_error")
    assert ModelInfo.from_json(autoencoder.to_json()) == autoencoder


def test_keys_of_other_versions_are_ignored() -> None:
    values = json.loads(FULL.to_json()) | {"colour": "green", "window_shape": [8, 62]}
    assert ModelInfo.from_json(json.dumps(values)) == FULL


def test_a_newer_format_is_refused_whatever_else_it_holds() -> None:
    with pytest.raises(ModelError, match="newer version") as raised:
        ModelInfo.from_json(json.dumps({"format": MODEL_FORMAT + 1, "all": "different"}))
    assert raised.value.got == f"model format {MODEL_FORMAT + 1}"
    assert "upgrade" in raised.value.next_step


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}",
        '{"format": "new", "recipe": "logmel", "samples": 1, "dimensions": 1}',
        '{"format": null}',
        '{"format": Infinity}',
        '{"format": NaN}',
        '{"format": 1}',
        '{"format": 1, "recipe": "logmel", "samples": 160000}',
        '{"format": 1, "recipe": "logmel", "samples": "long", "dimensions": 381}',
        '{"format": 1, "recipe": "logmel", "samples": 160000, "dimensions": 0}',
        '{"format": 1, "recipe": "logmel", "samples": 160000, "dimensions": 381, "sample_rate_hz": 48000}',
        "[" * 100_000,
    ],
)
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="cannot be read") as raised:
        ModelInfo.from_json(text)
    # Long rubbish is not repeated at length.
    assert raised.value.got == text[:200]


def test_what_a_description_leaves_out_has_these_values() -> None:
    """Devices that are in use read them so; another format would shut them out."""
    info = ModelInfo("logmel", 160_000, 381)
    assert (info.format, info.scorer, info.precision, info.target) == (1, "nearest", "fp32", "any")
    assert (info.sample_rate_hz, info.reconstruction, info.patch_grid) == (16_000, False, None)
