"""The model inside the package against the code that says how it was made."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from short_model import SHORT_SAMPLES, write_short_model
from typer.testing import CliRunner

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.export.commands.export import export
from asd_edge.export.onnx_file import MAX_RELATIVE_ERROR, export_model
from asd_edge.export.systems.logmel.model import build_logmel

REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = REPOSITORY / "runtime" / "inference" / "models" / "logmel.onnx"


def described(model: onnx.ModelProto) -> ModelInfo:
    (text,) = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    return ModelInfo.from_json(text)


@pytest.fixture(scope="module")
def shipped() -> onnx.ModelProto:
    return onnx.load(SHIPPED)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, shipped: onnx.ModelProto) -> onnx.ModelProto:
    made_with = shipped.producer_version.partition("+")[0]
    if torch.__version__.partition("+")[0] != made_with:
        pytest.skip(f"another exporter writes another graph: torch {torch.__version__}, the file's {made_with}")
    path = tmp_path_factory.mktemp("export") / "logmel.onnx"
    result = CliRunner().invoke(export, ["logmel", "--output", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "logmel, 10 s window, 381 dimensions" in result.stdout
    return onnx.load(path)


def test_exporting_again_gives_the_same_graph(shipped: onnx.ModelProto, exported: onnx.ModelProto) -> None:
    for attribute in ("input", "output", "node"):
        ours, again = getattr(shipped.graph, attribute), getattr(exported.graph, attribute)
        # A message of protobuf compares by its content: names, operators, attributes, shapes.
        assert list(ours) == list(again), attribute
    assert [(entry.domain, entry.version) for entry in shipped.opset_import] == [("", 18)]
    assert shipped.opset_import == exported.opset_import


def test_exporting_again_gives_the_same_weights(shipped: onnx.ModelProto, exported: onnx.ModelProto) -> None:
    ours, again = (
        {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
        for model in (shipped, exported)
    )
    assert list(ours) == list(again)
    for name, weight in ours.items():
        assert weight.dtype == again[name].dtype
        # Another processor may round the last bit of a cosine differently.
        np.testing.assert_allclose(weight, again[name], rtol=1e-6, atol=1e-6 * np.abs(weight).max(), err_msg=name)


def test_exporting_again_gives_the_same_description(shipped: onnx.ModelProto, exported: onnx.ModelProto) -> None:
    ours, again = described(shipped), described(exported)
    # Parity depends on the processor that measured it.
    for info in (ours, again):
        assert info.parity.pop("max_error_over_deviation") <= MAX_RELATIVE_ERROR
        info.parity.clear()
    assert ours == again == replace(build_logmel()[1], parity_clips="8 generated clips")


def test_the_short_model_of_the_tests_is_what_export_would_make(tmp_path: Path) -> None:
    module, info = build_logmel()
    export_model(module, replace(info, samples=SHORT_SAMPLES), tmp_path / "exported.onnx")
    waveform = {"waveform": clips(2)[:, :SHORT_SAMPLES]}
    sessions = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in (tmp_path / "exported.onnx", write_short_model(tmp_path / "short.onnx"))
    ]
    expected, found = (session.run(["embedding"], waveform)[0] for session in sessions)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    descriptions = [described(onnx.load(tmp_path / name)) for name in ("exported.onnx", "short.onnx")]
    for description in descriptions:
        description.parity.clear()
    assert descriptions[0] == descriptions[1]


def test_it_is_small_and_says_nothing_of_the_machine_that_made_it(shipped: onnx.ModelProto) -> None:
    content = SHIPPED.read_bytes()
    assert len(content) < 2_000_000
    for place in (b"/home", b"/root", b"/Users", b"/tmp", b"site-packages", str(REPOSITORY).encode()):
        assert place not in content
    assert not any(node.doc_string or node.metadata_props for node in shipped.graph.node)


def clips(batch: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    t = np.arange(160_000) / 16_000
    hum = 0.1 * np.sin(2.0 * np.pi * 100.0 * t) * (1.0 + np.sin(2.0 * np.pi * 2.0 * t))
    return (hum + 0.05 * rng.standard_normal((batch, 160_000))).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 3])
def test_it_computes_what_the_module_computes(batch: int) -> None:
    session = onnxruntime.InferenceSession(SHIPPED, providers=["CPUExecutionProvider"])
    (found,) = session.run(["embedding"], {"waveform": clips(batch)})
    with torch.no_grad():
        expected = build_logmel()[0](torch.from_numpy(clips(batch))).numpy()
    assert found.shape == (batch, 381)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_it_has_the_inputs_and_outputs_of_the_contract() -> None:
    session = onnxruntime.InferenceSession(SHIPPED, providers=["CPUExecutionProvider"])
    (waveform,), (embedding,) = session.get_inputs(), session.get_outputs()
    assert (waveform.name, waveform.type, waveform.shape[1:]) == ("waveform", "tensor(float)", [160_000])
    assert (embedding.name, embedding.type, embedding.shape[1:]) == ("embedding", "tensor(float)", [381])
    # Batches of any size.
    assert isinstance(waveform.shape[0], str)
    assert waveform.shape[0] == embedding.shape[0]


def test_silence_has_a_finite_embedding() -> None:
    session = onnxruntime.InferenceSession(SHIPPED, providers=["CPUExecutionProvider"])
    (found,) = session.run(["embedding"], {"waveform": np.zeros((1, 160_000), np.float32)})
    np.testing.assert_allclose(found[0], [1e-3] * 254 + [0.0] * 127, rtol=1e-4, atol=1e-5)
