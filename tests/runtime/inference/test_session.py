"""A model that was started: what it computes, and where its nodes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from logged import logged

from asd_edge.runtime import Model
from asd_edge.runtime.inference.providers import available_providers
from asd_edge.runtime.inference.session import overflows_in_8_bits


def test_tells_which_provider_runs_how_many_nodes(linear: Path) -> None:
    if not hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"):
        pytest.skip("ONNX Runtime before 1.24 does not tell")
    model = Model(linear, "cpu")
    assert (model.provider, model.nodes, model.placement) == ("cpu", {"cpu": {"Gemm": 1}}, "cpu 1")


def test_an_onnx_runtime_that_does_not_tell_is_no_obstacle(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (session,) = onnxruntime.InferenceSession.__bases__
    monkeypatch.delattr(session, "get_provider_graph_assignment_info", raising=False)
    model = Model(linear)
    assert (model.provider, model.nodes) == ("cpu", {})
    assert model.placement == "ONNX Runtime before 1.24 does not tell"


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
