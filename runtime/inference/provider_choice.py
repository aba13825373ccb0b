"""Which execution provider runs a model: the one that was asked for, or the best that really does.

What a provider leaves to the CPU is told, and ``auto`` takes only one that runs all products of matrices, which are
nearly all of the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference.cuda_graph import GRAPH_SETTINGS, gpu_session
from asd_edge.runtime.inference.placement import describe_operators, products_of
from asd_edge.runtime.inference.providers import available_providers, require_installed
from asd_edge.runtime.inference.session import Session, start_session

log = logging.getLogger(__name__)

_AUTO = ("cuda",)
"""What ``auto`` tries before the CPU. Providers that compile for minutes, as TensorRT, or that were measured to be
slower than the CPU's own, as OpenVINO's, are taken only when named."""


@dataclass(frozen=True)
class ProviderChoice:
    """A model, and all that is to be known to run it on any provider.

    Args:
        path: The ONNX file.
        threads: Threads of providers that run on the processor; 0 takes one per physical core.
        batch: The number of windows in every run where a GPU runs the model.
        engines: The folder for what TensorRT builds, as `gpu_session` takes it.
        cpu_session: Starts the model on the ``cpu`` provider, in whatever form it is kept for that.
    """

    path: Path
    threads: int
    batch: int
    engines: Path | None
    cpu_session: Callable[[], Session]

    def session(self, provider: str) -> Session:
        """Start the model; a sentence is logged when nodes stay on the CPU that should not, or when it takes long.

        Args:
            provider: ``auto`` or the short name of a provider.

        Raises:
            ModelError: There is no such provider, it is not installed, or it does not run the model here.
        """
        if provider == "auto":
            return self._best_session() or self.cpu_session()
        require_installed(provider)
        if provider == "cpu":
            return self.cpu_session()
        session = self._session_on(provider)
        left = session.nodes.get("cpu", {})
        if left:
            ran = sum(sum(counts.values()) for counts in session.nodes.values()) - sum(left.values())
            log.warning(
                "%s runs %d nodes of %s and leaves %s to the CPU.",
                provider,
                ran,
                self.path.name,
                describe_operators(left),
            )
        return session

    def _best_session(self) -> Session | None:
        """Start the model on the first provider that runs all its products, if there is one."""
        available = available_providers()
        for name in (name for name in _AUTO if name in available):
            try:
                session = self._session_on(name)
            except ModelError as error:
                # ONNX Runtime was built with CUDA, and there is no working GPU.
                log.warning("%s %s; the CPU runs the model.", error.what, error.got)
                continue
            left = products_of(session.nodes.get("cpu", {}))
            if not left:
                return session
            log.warning(
                "%s would leave %s to the CPU; the CPU runs the model. Or --provider %s.",
                name,
                describe_operators(left),
                name,
            )
        return None

    def _session_on(self, provider: str) -> Session:
        if provider == "tensorrt" and not (self.engines and self.engines.is_dir()):
            log.info("TensorRT builds an engine for %s and this GPU, which may take minutes ...", self.path.name)
        if provider in GRAPH_SETTINGS:
            return gpu_session(self.path, provider, self.batch, self.engines)
        return start_session(self.path, provider, self.threads)
