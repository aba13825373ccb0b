"""Where a model runs, and that nothing of it happens in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from attentive_model import write_attentive_model
from linear_model import write_linear_model
from logged import logged
from pretended_gpu import PretendedGpu

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime import Model
from asd_edge.runtime.inference import providers
from asd_edge.runtime.inference.placement import Nodes, describe_nodes
from asd_edge.runtime.inference.providers import available_providers
from asd_edge.runtime.inference.session import overflows_in_8_bits


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_linear_model(tmp_path_factory.mktemp("linear") / "linear.onnx")


@pytest.fixture(scope="module")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_attentive_model(tmp_path_factory.mktemp("attentive") / "attentive.onnx")


def test_tells_which_provider_runs_how_many_nodes(linear: Path) -> None:
    model = Model(linear, "cpu")
    assert (model.provider, model.nodes, model.placement) == ("cpu", {"cpu": {"Gemm": 1}}, "cpu 1")


def test_an_onnx_runtime_that_does_not_tell_is_no_obstacle(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (session,) = onnxruntime.InferenceSession.__bases__
    monkeypatch.delattr(session, "get_provider_graph_assignment_info")
    model = Model(linear)
    assert (model.provider, model.nodes) == ("cpu", {})
    assert model.placement == "ONNX Runtime before 1.24 does not tell"


def test_windows_of_a_batch_come_out_as_they_do_alone(short_model: Model) -> None:
    windows = np.random.default_rng(0).normal(0.0, 0.1, (3, short_model.info.samples)).astype(np.float32)
    together = short_model.embed_batch(windows)
    assert len(together) == 3
    for window, embedded in zip(windows, together, strict=True):
        np.testing.assert_allclose(embedded.embedding, short_model.embed(window).embedding, rtol=1e-3, atol=1e-5)


def test_samples_of_another_floating_type_are_converted(short_model: Model) -> None:
    """`soundfile.read` gives float64."""
    samples = np.random.default_rng(0).normal(0.0, 0.1, short_model.info.samples)
    expected = short_model.embed(samples.astype(np.float32)).embedding
    np.testing.assert_array_equal(short_model.embed(samples).embedding, expected)  # type: ignore[arg-type]
    (embedded,) = short_model.embed_batch(samples[None])  # type: ignore[arg-type]
    np.testing.assert_array_equal(embedded.embedding, expected)


@pytest.mark.parametrize(
    ("samples", "got", "advice"),
    [
        (np.zeros(15_999, np.float32), "shape (15999,), float32", "cut the sound into windows"),
        (np.zeros((1, 16_000), np.float32), "shape (1, 16000), float32", "cut the sound"),
        (np.float32(0.0), "an object of the type float32", "numpy.asarray"),
        (np.zeros(0, np.float32), "shape (0,), float32", "cut the sound"),
        (np.zeros(16_000, np.int16), "shape (16000,), int16", "/ 32768 for int16"),
        (np.zeros(16_000, np.complex64), "shape (16000,), complex64", "real numbers"),
        (np.zeros(16_000, np.str_), "shape (16000,), <U1", "real numbers"),
        ([0.0] * 16_000, "an object of the type list", "numpy.asarray(samples, numpy.float32)"),
        (None, "an object of the type NoneType", "numpy.asarray"),
        ("hum.wav", "an object of the type str", "numpy.asarray"),
    ],
)
def test_what_is_no_window_is_refused(samples: Any, got: str, advice: str, short_model: Model) -> None:
    with pytest.raises(InputError, match="no window of the shape and type") as refused:
        short_model.embed(samples)
    assert got in refused.value.got
    assert "16000" in refused.value.valid
    assert advice in refused.value.next_step


@pytest.mark.parametrize(
    "windows",
    [
        np.zeros((2, 15_999), np.float32),
        np.zeros(16_000, np.float32),
        np.zeros((0, 16_000), np.float32),
        np.array(1.0),
        np.zeros((2, 16_000), np.int16),
        np.zeros((1, 2, 16_000), np.float32),
        [np.zeros(16_000, np.float32)],
    ],
)
def test_a_batch_of_another_shape_or_type_is_refused(windows: Any, short_model: Model) -> None:
    with pytest.raises(InputError, match="no window of the shape and type"):
        short_model.embed_batch(windows)


def test_an_onnx_file_of_another_program_is_sent_to_adopt(tmp_path: Path) -> None:
    path = write_linear_model(tmp_path / "pump.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ModelError, match="does not describe itself") as refused:
        Model(path)
    assert f"asd-edge adopt {path}" in refused.value.next_step


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"cuda": {"MatMul": 74, "Add": 39}}, "cuda 113"),
        ({"cpu": {"Cast": 2, "Attention": 12}, "cuda": {"MatMul": 74}}, "cuda 74, cpu 14 (12 Attention, 2 Cast)"),
        (
            {"cuda": {"MatMul": 74}, "cpu": {"A": 5, "B": 4, "C": 3, "D": 2, "E": 1, "F": 1}},
            "cuda 74, cpu 16 (5 A, 4 B, 3 C, 2 D and 2 others)",
        ),
    ],
)
def test_says_in_words_what_is_left_to_the_cpu(nodes: Nodes, words: str) -> None:
    assert describe_nodes(nodes) == words


@pytest.mark.parametrize(
    ("nodes", "provider", "sentences"),
    [
        ({"cuda": {"MatMul": 74, "Attention": 12}}, "cuda", []),
        ({"cuda": {"MatMul": 74}, "cpu": {"Reshape": 3, "Concat": 1}}, "cuda", []),
        ({}, "cuda", []),
        ({"cuda": {"MatMul": 74}, "cpu": {"Attention": 12, "Reshape": 3}}, "cpu", ["would leave 12 Attention"]),
        ({"cuda": {"Add": 74}, "cpu": {"DynamicQuantizeMatMul": 73}}, "cpu", ["73 DynamicQuantizeMatMul"]),
        (ModelError("The cuda provider did not take the model.", got="no GPU"), "cpu", ["no GPU; the CPU runs"]),
    ],
)
def test_auto_takes_a_gpu_that_runs_all_products_and_says_why_not(
    linear: Path,
    monkeypatch: pytest.MonkeyPatch,
    nodes: Nodes | ModelError,
    provider: str,
    sentences: list[str],
) -> None:
    PretendedGpu(monkeypatch, "cuda", nodes)
    with logged() as said:
        assert Model(linear, "auto").provider == provider
    assert len(said) == len(sentences)
    assert all(expected in sentence for expected, sentence in zip(sentences, said, strict=True))


def test_what_a_named_provider_leaves_to_the_cpu_is_told(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PretendedGpu(monkeypatch, "cuda", {"cuda": {"MatMul": 74, "Add": 3}, "cpu": {"Attention": 12, "Reshape": 3}})
    with logged() as said:
        assert Model(linear, "cuda").provider == "cuda"
    assert said == ["cuda runs 77 nodes of linear.onnx and leaves 12 Attention, 3 Reshape to the CPU."]


@pytest.mark.parametrize(
    ("provider", "advice"), [("cuda", "asd-edge[cuda]"), ("tensorrt", "tensorrt"), ("openvino", "asd-edge[openvino]")]
)
def test_a_provider_that_is_not_installed_says_how_to_install_it(
    linear: Path, monkeypatch: pytest.MonkeyPatch, provider: str, advice: str
) -> None:
    monkeypatch.setattr(providers, "available_providers", lambda: ["cpu"])
    with pytest.raises(ModelError, match=f"has no {provider} provider") as refused:
        Model(linear, provider)
    assert advice in refused.value.next_step


def test_memory_that_only_a_run_needs_is_given_back_while_the_next_is_waited_for(attentive: Path) -> None:
    """The same numbers come out, whether the memory was given back before or not."""
    model = Model(attentive, "cpu", 1)
    window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
    after_a_wait = model.embed(window).embedding
    at_once = model.embed(window).embedding
    np.testing.assert_array_equal(after_a_wait, at_once)


class TestOpenVINO:
    """Its own provider, from the package beside ONNX Runtime or from a build with it."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        if "openvino" not in available_providers():
            pytest.skip("not installed: onnxruntime-ep-openvino, or a build of ONNX Runtime with OpenVINO")

    @pytest.mark.parametrize("threads", [0, 1])
    def test_computes_what_the_cpu_does(self, threads: int) -> None:
        """In float32: left to itself it takes bfloat16 where the processor can, and is off by a thousandth."""
        model = Model("logmel", "openvino", threads)
        window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
        ours, theirs = model.embed(window).embedding, Model("logmel", "cpu").embed(window).embedding
        assert model.provider == "openvino"
        assert sum(model.nodes["openvino"].values()) > 0
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=2e-5 * float(theirs.std()))

    def test_says_what_it_leaves_to_the_cpu(self, attentive: Path) -> None:
        with logged() as said:
            model = Model(attentive, "openvino")
        left = model.nodes.get("cpu", {})
        assert len(said) == bool(left)
        assert all(f"{count} {operator}" in said[0] for operator, count in left.items())
        window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
        theirs = Model(attentive, "cpu").embed(window).embedding
        np.testing.assert_allclose(model.embed(window).embedding, theirs, rtol=0.0, atol=2e-5 * float(theirs.std()))


@pytest.mark.parametrize(
    ("machine", "flags", "overflows"),
    [
        ("x86_64", "fpu avx2 fma", True),
        ("x86_64", "fpu avx2 avx512f avx512_vnni", False),
        ("AMD64", "fpu avx2 avx_vnni", False),
        ("x86_64", None, True),
        ("aarch64", "fp asimd", False),
    ],
)
def test_products_of_8_bits_are_exact_on_every_processor(
    machine: str, flags: str | None, overflows: bool, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert overflows_in_8_bits(machine, cpuinfo) == overflows
