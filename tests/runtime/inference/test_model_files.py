"""Weights beside a model: part of its digest, and never from outside its folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_models import SAMPLES, put_outside, write_odd_model
from onnx import TensorProto, helper

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime import Model
from asd_edge.runtime.inference import device_cache
from asd_edge.runtime.inference.device_cache import DeviceCache
from asd_edge.runtime.inference.model import shipped_model_path
from asd_edge.runtime.inference.model_files import files_outside

WINDOW = np.random.default_rng(1).normal(0.0, 0.1, SAMPLES).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return write_odd_model(tmp_path / "models" / "odd.onnx")


def test_a_model_that_holds_its_weights_has_the_digest_of_its_file(path: Path) -> None:
    assert Model(path, threads=1).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert files_outside(path) == {}
    assert Model().sha256 == hashlib.sha256(shipped_model_path().read_bytes()).hexdigest()


def test_weights_beside_a_model_belong_to_its_digest(path: Path) -> None:
    expected = Model(path, threads=1).embed(WINDOW).embedding
    outside = put_outside(path)
    model = Model(path, threads=1)
    np.testing.assert_array_equal(model.embed(WINDOW).embedding, expected)
    # Written out: the digest of the file, then of each other by its name.
    one, other = (hashlib.sha256(each.read_bytes()).hexdigest() for each in (path, outside))
    assert model.sha256 == hashlib.sha256(f"{one}\n{other}  weights.bin".encode()).hexdigest()
    values = np.fromfile(outside, np.float32)
    values[0] += 1.0
    values.tofile(outside)
    assert Model(path, threads=1).sha256 != model.sha256


def test_weights_may_lie_in_a_folder_beside_it_and_both_may_be_links(path: Path, tmp_path: Path) -> None:
    """As the folders of model hubs are laid out: names that are links into one store."""
    put_outside(path, "deep/weights.bin")
    store, named = tmp_path / "store", tmp_path / "named"
    for source, name in ((path, "odd.onnx"), (path.parent / "deep" / "weights.bin", "deep/weights.bin")):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (named / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, store / name)
        (named / name).symlink_to(store / name)
    assert files_outside(named / "odd.onnx") == {"deep/weights.bin": store / "deep" / "weights.bin"}
    assert Model(named / "odd.onnx", threads=1, cache=True).sha256 == Model(path, threads=1).sha256


@pytest.mark.parametrize("name", ["../secret.bin", "deep/../../secret.bin", "*/_ORT_MEM_ADDR_/*", "", ".", "a\0b"])
def test_weights_outside_the_folder_are_refused(path: Path, name: str) -> None:
    put_outside(path, name, write=False)
    secret = path.parent.parent / "secret.bin"
    secret.write_bytes(np.zeros(6400, np.float32).tobytes())
    with pytest.raises(ModelError, match="in a file that is not in its folder"):
        Model(path, threads=1)


def test_an_absolute_path_a_link_and_a_missing_file_are_refused(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.zeros(6400, np.float32).tobytes())
    put_outside(path, str(secret), write=False)
    with pytest.raises(ModelError, match="not in its folder"):
        Model(path, threads=1)
    write_odd_model(path)
    put_outside(path, "weights.bin", write=False)
    with pytest.raises(ModelError, match="not in its folder"):
        Model(path, threads=1)
    (path.parent / "weights.bin").symlink_to(secret)
    with pytest.raises(ModelError, match="not in its folder"):
        Model(path, threads=1)
    (path.parent / "weights.bin").unlink()
    os.mkfifo(path.parent / "weights.bin")
    with pytest.raises(ModelError, match="not in its folder"):
        Model(path, threads=1)


def _external(name: str, location: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def test_tensors_are_found_wherever_a_model_may_hold_them(tmp_path: Path) -> None:
    """In attributes, subgraphs, functions, sparse tensors and training."""
    inner = helper.make_graph([], "inner", [], [], [_external("a", "subgraph.bin")])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner)
    constant = helper.make_node("Constant", [], ["z"], value=_external("b", "attribute.bin"))
    several = helper.make_node("Odd", [], ["w"], values=[_external("c", "list.bin")])
    sparse = onnx.SparseTensorProto(values=_external("d", "values.bin"), indices=_external("e", "indices.bin"))
    graph = helper.make_graph([node, constant, several], "outer", [], [], [], sparse_initializer=[sparse])
    function = helper.make_function(
        "own", "f", [], ["z"], [helper.make_node("Constant", [], ["z"], value=_external("f", "function.bin"))], []
    )
    model = helper.make_model(graph, functions=[function])
    training = model.training_info.add()
    training.algorithm.initializer.append(_external("g", "training.bin"))
    names = ["subgraph", "attribute", "list", "values", "indices", "function", "training"]
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    for name in names:
        (tmp_path / f"{name}.bin").write_bytes(b"\0" * 4)
    assert sorted(files_outside(tmp_path / "model.onnx")) == sorted(f"{name}.bin" for name in names)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200), at=st.integers(0, 10_000))
def test_whatever_a_file_holds_it_is_walked_or_refused(
    content: bytes, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("walked")
    path = write_odd_model(folder / "odd.onnx")
    put_outside(path)
    whole = path.read_bytes()
    at %= len(whole)
    for damaged in (content, whole[:at] + content + whole[at + len(content) :], whole[:at]):
        path.write_bytes(damaged)
        with contextlib.suppress(ModelError):
            assert set(files_outside(path)) <= {"weights.bin"}


def test_weights_that_change_make_the_cache_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "WORTH_BYTES", 100)
    outside = put_outside(path)
    first = Model(path, "cpu", 1, cache=True)
    assert DeviceCache(path).graph() is not None
    np.testing.assert_array_equal(first.embed(WINDOW).embedding, Model(path, threads=1).embed(WINDOW).embedding)
    (2.0 * np.fromfile(outside, np.float32)).astype(np.float32).tofile(outside)
    second = Model(path, "cpu", 1, cache=True)
    assert second.sha256 != first.sha256
    np.testing.assert_allclose(
        second.embed(WINDOW).embedding, 2.0 * first.embed(WINDOW).embedding, rtol=1e-4, atol=1e-5
    )


def test_onnx_runtime_does_not_read_what_is_refused(path: Path) -> None:
    """Also where its own version would: the check comes before it opens the file."""
    put_outside(path, "../secret.bin")
    program = (
        "import sys, onnxruntime\n"
        "onnxruntime.InferenceSession = lambda *_, **__: sys.exit('it was opened')\n"
        "from asd_edge.runtime import Model\n"
        "try:\n    Model(sys.argv[1])\nexcept Exception as error:\n    print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ModelError\n", "")
