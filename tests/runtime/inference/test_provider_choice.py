"""Which provider runs a model, and that nothing of the choice happens in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from logged import logged
from pretended_gpu import PretendedGpu

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime import Model
from asd_edge.runtime.inference import providers
from asd_edge.runtime.inference.placement import Nodes


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
