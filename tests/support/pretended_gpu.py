"""A GPU provider that this computer does not have: the CPU, with nodes as ONNX Runtime would place them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference import cuda_graph, provider_choice, providers
from asd_edge.runtime.inference.placement import Nodes
from asd_edge.runtime.inference.session import FixedBuffers, Session, start_session


class PretendedGpu:
    """What was asked of it.

    Args:
        monkeypatch: Pytest's.
        name: Of the provider.
        outcome: Where the nodes are, or why it does not start.
        refuses: A setting with which it does not start.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        name: str = "cuda",
        outcome: Nodes | ModelError | None = None,
        refuses: str | None = None,
    ) -> None:
        self.asked: list[dict[str, str]] = []

        def start(path: Path, provider: str, threads: int, *, settings: dict[str, str], batch: int) -> Session:
            self.asked.append(settings)
            if isinstance(outcome, ModelError):
                raise outcome
            if refuses is not None and refuses in settings:
                raise ModelError("It cannot.", got="not all nodes are on the GPU")
            nodes = outcome if outcome is not None else {provider: {"MatMul": 3}}
            return Session(provider, start_session(path, "cpu", threads, batch=batch).raw, nodes)

        for module in (providers, provider_choice):
            monkeypatch.setattr(module, "available_providers", lambda: [name, "cpu"])
        monkeypatch.setattr(cuda_graph, "start_session", start)
        monkeypatch.setattr(cuda_graph, "FixedBuffers", lambda session, _: FixedBuffers(session, "cpu"))
