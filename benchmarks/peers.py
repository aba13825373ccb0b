"""How fast we are beside what a user would pick instead: ``python -m asd_edge.benchmarks.peers [--checkpoint FILE]``.

An exported BEATs beside PyTorch, the plain export, OpenVINO and NNCF; and a score beside scikit-learn, faiss and
usearch. ``pip install '.[cpu,bench]'`` installs them; those that are missing are left out and named.

All variants of a model see the same window, interleaved as in `asd_edge.benchmarks.interleaved`; rounds that were
disturbed are repeated.
"""

from __future__ import annotations

import argparse
import functools
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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.interleaved import interleave
from asd_edge.benchmarks.machine import describe_machine
from asd_edge.benchmarks.scoring import PEERS, score_times
from asd_edge.export.clips import generated_clips

if TYPE_CHECKING:
    from torch import nn

SAMPLES = 160_000
BASELINE = "plain export, ONNX Runtime's defaults"
_IN_A_ROW = 3
"""Windows in a row. After a wait, the runtime gives memory back, and needs it again for the second."""
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
    repeated = 0
    runs = [functools.partial(_seconds, timing.run, window) for timing in timings]
    for each in interleave(runs, [_IN_A_ROW] * len(timings)):
        if each.disturbed:
            repeated += 1
            continue
        for timing, took_s in zip(timings, each.gave, strict=True):
            timing.waited_s.append(took_s[0])
            timing.took_s.append(took_s[-1])
        if len(timings[0].took_s) == rounds:
            break
    return repeated


def _seconds(run: Callable[[Window], Window], window: Window) -> float:
    began = time.perf_counter()
    run(window)
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
    compiled = _compiled(plain)
    if compiled is not None:
        timings.append(Timing("PyTorch compiled, the same module", compiled))
    if importlib.util.find_spec("openvino") is not None:
        timings += [
            Timing("OpenVINO, plain export", _openvino(folder / "plain.onnx")),
            Timing("OpenVINO, asd-edge export", _openvino(folder / "fp32.onnx")),
        ]
        if importlib.util.find_spec("nncf") is not None:
            timings.append(Timing("OpenVINO, asd-edge export, NNCF int8", _nncf(folder / "fp32.onnx"), math.inf))
    return timings


def _compiled(plain: nn.Module) -> Callable[[Window], Window] | None:
    """By PyTorch's own compiler, which wants one of C++; none where it cannot."""
    import torch

    print("compiling with PyTorch ...", file=sys.stderr)
    compiled = torch.compile(plain)

    def run(window: Window) -> Window:
        with torch.no_grad():
            return np.asarray(compiled(torch.from_numpy(window)).numpy())

    try:
        run(np.zeros((1, SAMPLES), np.float32))
    except RuntimeError as error:
        print(f"left out, PyTorch compiled: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return None
    return run


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


def compare_models(checkpoint: Path, rounds: int) -> None:
    """Measure an exported BEATs and its peers, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        timings = variants_of(checkpoint, Path(folder))
        repeated = measure(timings, rounds)
    baseline = timings[0]
    print(f"{rounds} rounds, {repeated} more were disturbed and repeated\n")
    print("| variant | ms a window, median | least | after a wait | ratio, median of rounds | largest difference |")
    print("|---|--:|--:|--:|--:|--:|")
    for timing in timings:
        ratio = statistics.median(ours / theirs for ours, theirs in zip(timing.took_s, baseline.took_s, strict=True))
        times = (timing.median_s, min(timing.took_s), statistics.median(timing.waited_s))
        shown = " | ".join(f"{1e3 * seconds:.0f}" for seconds in times)
        print(f"| {timing.name} | {shown} | {ratio:.3f} | {timing.difference:.2g} |")


def compare_scoring(references: list[int], dimensions: int) -> None:
    """Time a score by everything that is installed, and print the table."""
    found = {count: score_times(count, dimensions) for count in references}
    print(f"\n| ms a score, {dimensions} dimensions | {' | '.join(f'{count:,}' for count in references)} |")
    print(f"|---|{'--:|' * len(references)}")
    for name in found[references[0]]:
        print(f"| {name} | {' | '.join(f'{1e3 * found[count][name]:.3g}' for count in references)} |")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="BEATs_iter3.pt, or one of the same layout")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--references", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--dimensions", type=int, default=768, help="of an embedding")
    arguments = parser.parse_args()
    print(describe_machine())
    if arguments.checkpoint:
        compare_models(arguments.checkpoint, arguments.rounds)
    compare_scoring(arguments.references, arguments.dimensions)
    missing = [name for name in ("openvino", "nncf", *PEERS.values()) if importlib.util.find_spec(name) is None]
    if missing:
        print(f"\nleft out, not installed: {', '.join(missing)}; pip install '.[bench]'", file=sys.stderr)


if __name__ == "__main__":
    main()
