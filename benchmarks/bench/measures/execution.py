"""One combination, loaded: windows of sound in, scores out, and how long each part of that took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd_edge.benchmarks.bench.plan import Combination
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.scorers.scorer import Scorer
from asd_edge.runtime import Model
from asd_edge.runtime.inference.placement import Nodes, describe_operators
from asd_edge.runtime.inference.session import cannot_run


@dataclass(frozen=True)
class Took:
    """The seconds that each part of a batch took."""

    model_s: float
    scoring_s: float
    copy_s: float | None = None
    """the copies to the memory of a GPU and back; none where the model runs on the processor"""

    @property
    def total_s(self) -> float:
        """The time of all parts together."""
        return self.model_s + self.scoring_s + (self.copy_s or 0.0)


class Execution:
    """A combination that can run.

    Args:
        combination: The combination.
        path: The path of the model.
        scorer: What to score with.
        windows: The windows to take in turn, (windows, samples) float32.
        cache: Whether a cache is kept, as for `Model`.

    Attributes:
        combination: The combination.
        path: The path of the model.
        nodes: Where the nodes run, as in `Model`.
        load_s: What loading took; with TensorRT that is mostly building its engine.
        first_s: What the first batch took.
        notes: What is to be known of the combination.

    Raises:
        ModelError: The provider does not run the model here.
    """

    def __init__(
        self,
        combination: Combination,
        path: Path,
        scorer: Scorer,
        windows: FloatArray,
        cache: bool,
    ) -> None:
        self.combination = combination
        self.path = path
        self.notes: list[str] = []
        self._scorer = scorer
        self._windows = windows
        count = len(windows)
        rows = np.arange(combination.batch)
        self._batches = [windows[(first + rows) % count] for first in range(0, count, min(combination.batch, count))]
        self._turn = 0
        began = time.perf_counter()
        self._model = Model(
            path,
            combination.provider,
            combination.threads,
            batch=combination.batch,
            cache=cache and combination.provider != "tensorrt",  # what that builds is to be timed
        )
        self.load_s = time.perf_counter() - began
        self.nodes: Nodes = self._model.nodes
        if self._model.cuda_graph:
            self.notes.append(self._model.cuda_graph)
        left = self.nodes.get("cpu", {}) if combination.provider != "cpu" else {}
        if left:
            self.notes.append(f"{describe_operators(left)} on the CPU")
        try:
            self.first_s = self().total_s
        except Exception as error:
            advice = "try --batch 1, a smaller model or --provider cpu"
            raise cannot_run(combination.provider, error, advice) from error

    def __call__(self) -> Took:
        """Embed and score the next batch."""
        windows = self._batches[self._turn]
        self._turn = (self._turn + 1) % len(self._batches)
        began = time.perf_counter()
        outputs = self._model.embed_batch(windows)
        done = time.perf_counter()
        copy_s = self._model.copied_s
        for output in outputs:
            self._scorer.score(output)
        return Took(done - began - (copy_s or 0.0), time.perf_counter() - done, copy_s)

    def embed(self) -> FloatArray:
        """Embed the windows, in batches as always: (windows, dim)."""
        outputs = [output for batch in self._batches for output in self._model.embed_batch(batch)]
        return np.stack([output.embedding for output in outputs[: len(self._windows)]])

    @property
    def a_batch(self) -> FloatArray:
        """A batch of windows, (batch, samples)."""
        return self._batches[0]
