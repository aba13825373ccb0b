"""A GPU provider that this machine does not have: the CPU, with nodes as ONNX Runtime would place them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime import fixed_buffers, providers, starting
from asd_edge.runtime.fixed_buffers import FixedBuffers
from asd_edge.runtime.providers import Nodes, Started, start_on


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

        def start(path: Path, provider: str, threads: int, *, settings: dict[str, str], batch: int) -> Started:
            self.asked.append(settings)
            if isinstance(outcome, ModelError):
                raise outcome
            if refuses is not None and refuses in settings:
                raise ModelError("It cannot.", got="not all nodes are on the GPU")
            nodes = outcome if outcome is not None else {provider: {"MatMul": 3}}
            return Started(provider, start_on(path, "cpu", threads, batch=batch).session, nodes)

        for module in (providers, starting):
            monkeypatch.setattr(module, "available_providers", lambda: [name, "cpu"])
        monkeypatch.setattr(fixed_buffers, "start_on", start)
        monkeypatch.setattr(fixed_buffers, "FixedBuffers", lambda session, _: FixedBuffers(session, "cpu"))
