import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.calibration.contract.parity import Certificate
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.onnx_file import MAX_RELATIVE_ERROR, export_model

TINY = ModelInfo("tiny", samples=800, dimensions=3)


class Tiny(nn.Module):
    """Loudness of three thirds of a short window."""

    def forward(self, waveform: Tensor) -> Tensor:
        return waveform[:, :798].reshape(-1, 3, 266).square().mean(dim=2).sqrt()


class Lying(Tiny):
    """Computes something else in the exported graph than here."""

    def forward(self, waveform: Tensor) -> Tensor:
        embedding = super().forward(waveform)
        exporting = torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()
        return 1.01 * embedding if exporting else embedding


class Undefined(Tiny):
    """Gives what is not a number."""

    def forward(self, waveform: Tensor) -> Tensor:
        return (-1.0 - super().forward(waveform)).sqrt()


def run(path: Path, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(["embedding"], {"waveform": waveform})[0]
    return found


def test_the_file_computes_what_the_module_computes_and_describes_it(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    info = export_model(Tiny(), TINY, path)
    assert list(tmp_path.iterdir()) == [path]
    for batch in (1, 2, 5):
        clips = np.random.default_rng(batch).uniform(-1.0, 1.0, (batch, 800)).astype(np.float32)
        expected = np.sqrt((clips[:, :798].reshape(batch, 3, 266) ** 2).mean(axis=2))
        np.testing.assert_allclose(run(path, clips), expected, rtol=1e-5)

    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert ModelInfo.from_json(metadata[METADATA_KEY]) == info
    assert set(info.parity) == {field.name for field in fields(Certificate)}
    assert 0.0 <= info.parity["max_error_over_deviation"] <= MAX_RELATIVE_ERROR
    assert info.parity_clips == "8 generated clips"
    assert json.loads(info.to_json()) | {"parity": {}, "parity_clips": ""} == json.loads(TINY.to_json())


def test_the_same_module_gives_the_same_bytes(tmp_path: Path) -> None:
    """The digest of the file binds banks to it, so exporting again must not make another model of it."""
    for name in ("one.onnx", "two.onnx"):
        export_model(Tiny(), TINY, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_a_description_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="shape that its description promises"):
        export_model(Tiny(), replace(TINY, dimensions=TINY.dimensions + 1), tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", [Lying(), Undefined()], ids=["lying", "undefined"])
@pytest.mark.parametrize("before", [None, b"an older model"])
def test_a_graph_that_computes_something_else_is_not_written(
    tmp_path: Path, module: nn.Module, before: bytes | None
) -> None:
    path = tmp_path / "model.onnx"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(ModelError, match="embedding is not what PyTorch computes") as raised:
        export_model(module, TINY, path)
    assert f"at most {MAX_RELATIVE_ERROR:g}" in raised.value.valid
    assert (path.read_bytes() if path.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([] if before is None else [path])


class NotReached(nn.Module):
    def forward(self, waveform: Tensor) -> Tensor:
        raise AssertionError("the path should have been refused before the long work")


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot write model\.onnx: No such file or directory"):
        export_model(NotReached(), TINY, tmp_path / "missing" / "model.onnx")
    with pytest.raises(InputError, match="is a folder"):
        export_model(NotReached(), TINY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_graph_says_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    export_model(Tiny(), TINY, tmp_path / "tiny.onnx")
    written = (tmp_path / "tiny.onnx").read_bytes()
    # The exporter would note the file and line of every operation.
    for trace in (Path(__file__).name, "site-packages", str(Path.home())):
        assert trace.encode() not in written
    graph = onnx.load_model_from_string(written).graph
    assert not any(node.doc_string or node.metadata_props for node in graph.node)
