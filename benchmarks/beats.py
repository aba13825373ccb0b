"""How fast an exported BEATs is beside its peers: ``python -m asd_edge.benchmarks.beats --checkpoint FILE``.

All variants see the same window, one after the other in every round, in an order that changes: the machine drifts, so
only ratios within one run mean anything. A product of two matrices beside them tells rounds in which something else
took the machine; those are repeated.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.machine import describe_machine
from asd_edge.export.clips import generated_clips

SAMPLES = 160_000
BASELINE = "plain export, ONNX Runtime's defaults"
_DISTURBED = 1.25
"""A round in which the probe takes this much longer than its recent median is repeated."""
_RECENT = 20
"""Probes; where the machine stays slower for good, that becomes the usual, and ratios within a round still hold."""
_IN_A_ROW = 3
"""Windows in a row. After a wait, the runtime gives memory back, and needs it again for the second."""
_SETTLE_S = 0.05
"""After each run, so that threads of the last variant that still spin do not slow the next."""
EXACT = 1e-3
"""How far a variant in float32 may be from the baseline; embeddings are of order one."""
ROUNDED = 0.1
"""How far a variant in 8 bits may be. What that costs is not judged here, but when a model is exported."""

Window = NDArray[np.float32]


@dataclass
class Timing:
    """Seconds a window of one variant, a value a round."""

    name: str
    run: Callable[[Window], Window]
    tolerance: float = EXACT
    """largest difference from the baseline that is accepted"""
    difference: float = 0.0
    """the one that was found"""
    took_s: list[float] = field(default_factory=list)
    """of the last of several windows in a row"""
    waited_s: list[float] = field(default_factory=list)
    """of the first of them, after the other variants had their turn"""

    @property
    def median_s(self) -> float:
        """Of all rounds that were not disturbed."""
        return statistics.median(self.took_s)


def measure(timings: list[Timing], rounds: int) -> int:
    """Time variants that compute the same, interleaved.

    Args:
        timings: The variants, the baseline first; they are filled in.
        rounds: How many to keep.

    Returns:
        How many rounds were repeated.

    Raises:
        ValueError: A variant computes something else than the first.
    """
    window = np.random.default_rng(0).normal(0.0, 0.1, (1, SAMPLES)).astype(np.float32)
    reference = timings[0].run(window)
    for timing in timings:
        timing.difference = float(np.abs(timing.run(window) - reference).max())
        if timing.difference > timing.tolerance:
            raise ValueError(f"{timing.name} differs from {timings[0].name} by {timing.difference:.2g}")
    probes: list[float] = []
    repeated = 0
    while len(timings[0].took_s) < rounds:
        probes.append(_probe())
        usual_s = statistics.median(probes[-_RECENT:])
        disturbed = probes[-1] > _DISTURBED * usual_s
        shift = len(probes) % len(timings)
        took: dict[str, list[float]] = {}
        for timing in timings[shift:] + timings[:shift]:
            took[timing.name] = [_seconds(timing.run, window) for _ in range(_IN_A_ROW)]
            time.sleep(_SETTLE_S)
        if disturbed or _probe() > _DISTURBED * usual_s:
            repeated += 1
            continue
        for timing in timings:
            timing.waited_s.append(took[timing.name][0])
            timing.took_s.append(took[timing.name][-1])
    return repeated


def _seconds(run: Callable[[Window], Window], window: Window) -> float:
    began = time.perf_counter()
    run(window)
    return time.perf_counter() - began


def _probe() -> float:
    matrix = np.ones((1024, 1024), np.float32)
    began = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return time.perf_counter() - began


def variants_of(checkpoint: Path, folder: Path) -> list[Timing]:
    """What to measure: our exports and their peers, the baseline first; of OpenVINO and NNCF what is installed.

    Args:
        checkpoint: A BEATs checkpoint.
        folder: Where exported files may be written.
    """
    import onnxruntime
    import torch

    from asd_edge.benchmarks.plain_beats import export_plain, load_plain_beats
    from asd_edge.export.beats_file import export_beats
    from asd_edge.runtime.model import Model

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    plain = load_plain_beats(checkpoint)
    export_plain(plain, SAMPLES, folder / "plain.onnx")
    for precision in ("fp32", "int8"):
        print(f"exporting {precision} ...", file=sys.stderr)
        export_beats(checkpoint, folder / f"{precision}.onnx", "mean", precision=precision)

    def eager(window: Window) -> Window:
        with torch.no_grad():
            return np.asarray(plain(torch.from_numpy(window)).numpy())

    def on_device(precision: str) -> Callable[[Window], Window]:
        model = Model(folder / f"{precision}.onnx", "cpu")
        return lambda window: model.embed(window[0]).embedding[None]

    def with_defaults(name: str) -> Callable[[Window], Window]:
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
        return lambda window: np.asarray(session.run(None, {"waveform": window})[0])

    timings = [
        Timing(BASELINE, with_defaults("plain")),
        Timing("PyTorch eager, the same module", eager),
        Timing("asd-edge export, as the device runs it", on_device("fp32")),
        Timing("asd-edge export, ONNX Runtime's defaults", with_defaults("fp32")),
        Timing("asd-edge export int8, as the device runs it", on_device("int8"), ROUNDED),
    ]
    if importlib.util.find_spec("openvino") is not None:
        timings += [
            Timing("OpenVINO, plain export", _openvino(folder / "plain.onnx")),
            Timing("OpenVINO, asd-edge export", _openvino(folder / "fp32.onnx")),
        ]
        if importlib.util.find_spec("nncf") is not None:
            timings.append(Timing("OpenVINO, asd-edge export, NNCF int8", _nncf(folder / "fp32.onnx"), math.inf))
    return timings


def _openvino(model: Path | Any) -> Callable[[Window], Window]:
    import openvino

    # Left to itself it computes in bfloat16 where the processor can, which is another precision.
    precise = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", precise)
    return lambda window: np.asarray(compiled(window)[0])


def _nncf(path: Path) -> Callable[[Window], Window]:
    """OpenVINO's own way to 8 bits, with the defaults for transformers and the clips that ours is calibrated with."""
    import nncf
    import openvino

    print("quantising with NNCF ...", file=sys.stderr)
    clips = generated_clips(SAMPLES).calibration
    model = openvino.Core().read_model(path)
    model.reshape([1, SAMPLES])
    return _openvino(
        nncf.quantize(model, nncf.Dataset([clip[None] for clip in clips]), model_type=nncf.ModelType.TRANSFORMER)
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="BEATs_iter3.pt, or one of the same layout")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timings = variants_of(arguments.checkpoint, Path(folder))
        repeated = measure(timings, arguments.rounds)
    baseline = timings[0]
    print(f"{describe_machine()}\n{arguments.rounds} rounds, {repeated} more were disturbed and repeated\n")
    print("| variant | ms a window, median | least | after a wait | ratio, median of rounds | largest difference |")
    print("|---|--:|--:|--:|--:|--:|")
    for timing in timings:
        ratio = statistics.median(ours / theirs for ours, theirs in zip(timing.took_s, baseline.took_s, strict=True))
        times = (timing.median_s, min(timing.took_s), statistics.median(timing.waited_s))
        shown = " | ".join(f"{1e3 * seconds:.0f}" for seconds in times)
        print(f"| {timing.name} | {shown} | {ratio:.3f} | {timing.difference:.2g} |")
    missing = [name for name in ("openvino", "nncf") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"\nleft out, not installed: pip install {' '.join(missing)}", file=sys.stderr)


if __name__ == "__main__":
    main()
