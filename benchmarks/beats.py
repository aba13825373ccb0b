"""How fast an exported BEATs is beside its peers: ``python -m asd_edge.benchmarks.beats --checkpoint FILE``.

All variants see the same window, one after the other in every round, in an order that changes: the machine drifts, so
only ratios within one run mean anything. A product of two matrices beside them tells rounds in which something else
took the machine; those are repeated.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.machine import describe_machine

SAMPLES = 160_000
BASELINE = "plain export, ONNX Runtime's defaults"
_DISTURBED = 1.25
"""A round in which the probe takes this much longer than its median is repeated."""
_SETTLE_S = 0.05
"""After each run, so that threads of the last variant that still spin do not slow the next."""
_TOLERANCE = 1e-3

Window = NDArray[np.float32]


@dataclass
class Timing:
    """Seconds a window of one variant, a value a round."""

    name: str
    run: Callable[[Window], Window]
    took_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """Of all rounds that were not disturbed."""
        return statistics.median(self.took_s)


def measure(variants: dict[str, Callable[[Window], Window]], rounds: int) -> tuple[list[Timing], int]:
    """Time variants that compute the same, interleaved.

    Args:
        variants: Name and function, ``(1, samples) -> (1, dim)``.
        rounds: How many to keep.

    Returns:
        The timings and how many rounds were repeated.

    Raises:
        ValueError: A variant computes something else than the first.
    """
    window = np.random.default_rng(0).normal(0.0, 0.1, (1, SAMPLES)).astype(np.float32)
    timings = [Timing(name, run) for name, run in variants.items()]
    reference = timings[0].run(window)
    for timing in timings:
        difference = float(np.abs(timing.run(window) - reference).max())
        if difference > _TOLERANCE:
            raise ValueError(f"{timing.name} differs from {timings[0].name} by {difference:.2g}")
    probes: list[float] = []
    repeated = 0
    while len(timings[0].took_s) < rounds:
        probes.append(_probe())
        disturbed = probes[-1] > _DISTURBED * statistics.median(probes)
        shift = len(probes) % len(timings)
        took = {}
        for timing in timings[shift:] + timings[:shift]:
            began = time.perf_counter()
            timing.run(window)
            took[timing.name] = time.perf_counter() - began
            time.sleep(_SETTLE_S)
        if disturbed or _probe() > _DISTURBED * statistics.median(probes):
            repeated += 1
            continue
        for timing in timings:
            timing.took_s.append(took[timing.name])
    return timings, repeated


def _probe() -> float:
    matrix = np.ones((1024, 1024), np.float32)
    began = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return time.perf_counter() - began


def variants_of(checkpoint: Path, folder: Path) -> dict[str, Callable[[Window], Window]]:
    """What to measure: our export and its peers, the baseline first; OpenVINO only where it is installed.

    Args:
        checkpoint: A BEATs checkpoint.
        folder: Where exported files may be written.
    """
    import onnxruntime
    import torch

    from asd_edge.benchmarks.plain_beats import export_plain, load_plain_beats
    from asd_edge.export.embedder import build_beats
    from asd_edge.export.onnx_file import export_model
    from asd_edge.runtime.model import Model

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    plain = load_plain_beats(checkpoint)
    export_plain(plain, SAMPLES, folder / "plain.onnx")
    export_model(*build_beats(checkpoint, "mean"), folder / "ours.onnx")
    session = onnxruntime.InferenceSession(folder / "plain.onnx", providers=["CPUExecutionProvider"])
    ours = Model(folder / "ours.onnx", "cpu")
    spinning = onnxruntime.InferenceSession(folder / "ours.onnx", providers=["CPUExecutionProvider"])

    def eager(window: Window) -> Window:
        with torch.no_grad():
            return np.asarray(plain(torch.from_numpy(window)).numpy())

    variants: dict[str, Callable[[Window], Window]] = {
        BASELINE: lambda window: np.asarray(session.run(None, {"waveform": window})[0]),
        "PyTorch eager, the same module": eager,
        "asd-edge export, as the device runs it": lambda window: ours.embed(window[0])[None],
        "asd-edge export, ONNX Runtime's defaults": lambda window: np.asarray(
            spinning.run(["embedding"], {"waveform": window})[0]
        ),
    }
    if importlib.util.find_spec("openvino") is not None:
        for name in ("plain", "ours"):
            variants[f"OpenVINO, {name} export"] = _openvino(folder / f"{name}.onnx")
    return variants


def _openvino(path: Path) -> Callable[[Window], Window]:
    import openvino

    # Left to itself it computes in bfloat16 where the processor can, which is another precision.
    precise = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", precise)
    return lambda window: np.asarray(compiled(window)[0])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="BEATs_iter3.pt, or one of the same layout")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timings, repeated = measure(variants_of(arguments.checkpoint, Path(folder)), arguments.rounds)
    baseline = timings[0]
    print(f"{describe_machine()}\n{arguments.rounds} rounds, {repeated} more were disturbed and repeated\n")
    print("| variant | ms a window, median | least | ratio to the baseline, median of rounds |\n|---|--:|--:|--:|")
    for timing in timings:
        ratio = statistics.median(ours / theirs for ours, theirs in zip(timing.took_s, baseline.took_s, strict=True))
        print(f"| {timing.name} | {1e3 * timing.median_s:.0f} | {1e3 * min(timing.took_s):.0f} | {ratio:.3f} |")
    if importlib.util.find_spec("openvino") is None:
        print("\nOpenVINO is not installed and was left out (pip install openvino)", file=sys.stderr)


if __name__ == "__main__":
    main()
