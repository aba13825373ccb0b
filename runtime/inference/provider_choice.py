"""Which execution provider runs a model: the one that was asked for, or the best that really does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference.cuda_graph import GRAPH_SETTINGS, start_on_gpu
from asd_edge.runtime.inference.providers import (
    Started,
    available_providers,
    describe_operators,
    products_of,
    require_installed,
    start_on,
)

_AUTO = ("cuda",)
"""What ``auto`` tries before the CPU. Providers that compile for minutes, as TensorRT, or that were measured to be
slower than the CPU's own, as OpenVINO's, are taken only when named."""


@dataclass(frozen=True)
class Starter:
    """A model, and how it is to be started.

    Args:
        path: The ONNX file.
        threads: Threads of providers that run on the processor; 0 takes one per physical core.
        batch: Windows in every run where a GPU runs the model.
        engines: As of `start_on_gpu`.
        start_on_cpu: Starts it on the ``cpu`` provider, in whatever form it is kept for that.
        tell: Takes a sentence when nodes stay on the CPU that should not, or when the start will take long.
    """

    path: Path
    threads: int
    batch: int
    engines: Path | None
    start_on_cpu: Callable[[], Started]
    tell: Callable[[str], None]

    def start(self, provider: str) -> Started:
        """Start the model.

        Args:
            provider: ``auto`` or a short name.

        Raises:
            ModelError: There is no such provider, it is not installed, or it does not run the model here.
        """
        if provider == "auto":
            return self._start_best() or self.start_on_cpu()
        require_installed(provider)
        if provider == "cpu":
            return self.start_on_cpu()
        started = self._start_on(provider)
        left = started.nodes.get("cpu", {})
        if left:
            ran = sum(sum(counts.values()) for counts in started.nodes.values()) - sum(left.values())
            where = f"leaves {describe_operators(left)} to the CPU"
            self.tell(f"{provider} runs {ran} nodes of {self.path.name} and {where}.")
        return started

    def _start_best(self) -> Started | None:
        """Start it on the first that runs all its products, if there is one."""
        available = available_providers()
        for name in (name for name in _AUTO if name in available):
            try:
                started = self._start_on(name)
            except ModelError as error:
                # A build with CUDA on a machine without a working GPU.
                self.tell(f"{error.what} {error.got}; the CPU runs the model.")
                continue
            left = products_of(started.nodes.get("cpu", {}))
            if not left:
                return started
            would = f"{name} would leave {describe_operators(left)} to the CPU"
            self.tell(f"{would}; the CPU runs the model. Or --provider {name}.")
        return None

    def _start_on(self, provider: str) -> Started:
        if provider == "tensorrt" and not (self.engines and self.engines.is_dir()):
            self.tell(f"TensorRT builds an engine for {self.path.name} and this GPU, which may take minutes ...")
        if provider in GRAPH_SETTINGS:
            return start_on_gpu(self.path, provider, self.batch, self.engines)
        return start_on(self.path, provider, self.threads)
