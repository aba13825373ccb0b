"""An exported BEATs and what a user would run instead, all with the same weights.

On the CPU: PyTorch eager and compiled, the plain export, speechbrain's BEATs, OpenVINO and NNCF. On a GPU: PyTorch
eager and compiled, and both exports. What cannot run here is left out and named.
"""

from __future__ import annotations

import functools
import logging
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.probes.interleaved import interleave, seconds
from asd_edge.export.certification_clips import generated_clips
from asd_edge.runtime.inference.providers import available_providers, require_installed

if TYPE_CHECKING:
    from torch import nn

SAMPLES = 160_000
BASELINE = "plain export, ONNX Runtime's defaults"
DEVICES = ("cpu", "cuda")
_IN_A_ROW = 3
"""Windows in a row. After a wait, the runtime gives memory back, and needs it again for the second."""
EXACT = 1e-3
"""How far a variant in float32 may be from the baseline; embeddings are of order one."""
ROUNDED = 0.1
"""How far one of less precision may be. What that costs is not judged here, but when a model is exported."""

log = logging.getLogger(__name__)

Window = NDArray[np.float32]
Run = Callable[[Window], Window]
"""``(1, samples) -> (1, dim)``"""


@dataclass
class Timing:
    """Seconds a window of one variant, a value a round."""

    name: str
    run: Run
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
        """The median of all rounds that were not disturbed."""
        return statistics.median(self.took_s)

    def ratio(self, baseline: Timing) -> float:
        """Its time over another's, median of rounds."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.took_s, baseline.took_s, strict=True))


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
    runs = [functools.partial(seconds, functools.partial(timing.run, window)) for timing in timings]
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


def variants_of(checkpoint: Path, folder: Path, device: str = "cpu") -> list[Timing]:
    """What to measure, the baseline first; what cannot run here is named in the log.

    Args:
        checkpoint: A BEATs checkpoint.
        folder: Where exported files may be written.
        device: One of `DEVICES`.

    Raises:
        ModelError: There is no such checkpoint, or ONNX Runtime does not have the device.
        ImportError: PyTorch is not installed.
    """
    require_installed(device)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    found = []
    for name, make, tolerance in _candidates(checkpoint, folder, device):
        log.info("preparing: %s", name)
        try:
            run = make()
            run(np.zeros((1, SAMPLES), np.float32))
        except Exception as error:
            if name == BASELINE:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            log.warning("left out, %s: %s", name, reason)
        else:
            # On a GPU, ONNX Runtime's defaults and TensorRT round products in float32, too.
            found.append(Timing(name, run, tolerance if device == "cpu" else ROUNDED))
    return found


def _candidates(checkpoint: Path, folder: Path, device: str) -> Iterator[tuple[str, Callable[[], Run], float]]:
    """Each with what makes it, and how far it may be from the baseline."""
    from asd_edge.benchmarks.studies.cost.peers.plain_beats import export_plain, load_plain_beats

    plain, plain_file = load_plain_beats(checkpoint), folder / "plain.onnx"
    export_plain(plain, SAMPLES, plain_file)
    yield BASELINE, lambda: _with_defaults(plain_file, device), EXACT
    yield "PyTorch eager, the same module", lambda: _eager(plain, device), EXACT
    yield "PyTorch compiled, the same module", lambda: _compiled(plain, device), EXACT
    theirs = functools.cache(lambda: _speechbrain(checkpoint))
    yield "speechbrain's BEATs, PyTorch eager", lambda: _eager(theirs(), device), EXACT
    yield "speechbrain's BEATs, exported the same way", lambda: _exported(theirs(), folder, device), EXACT
    ours = functools.partial(_ours, checkpoint, folder)
    fp32 = functools.cache(lambda: ours("fp32", device))
    yield "asd-edge export, as the device runs it", lambda: _on_device(fp32(), device), EXACT
    yield "asd-edge export, ONNX Runtime's defaults", lambda: _with_defaults(fp32(), device), EXACT
    if device == "cpu":
        yield "asd-edge export int8, as the device runs it", lambda: _on_device(ours("int8", "cpu"), "cpu"), ROUNDED
        yield "OpenVINO, plain export", lambda: _openvino(plain_file), EXACT
        yield "OpenVINO, asd-edge export", lambda: _openvino(fp32()), EXACT
        yield "OpenVINO, asd-edge export, NNCF int8", lambda: _nncf(fp32()), math.inf
        return
    half = functools.cache(lambda: ours("fp16", device))
    yield "asd-edge export fp16, as the device runs it", lambda: _on_device(half(), device), ROUNDED
    if "tensorrt" in available_providers():
        yield "asd-edge export, TensorRT", lambda: _on_device(fp32(), "tensorrt"), ROUNDED
        yield "asd-edge export fp16, TensorRT", lambda: _on_device(half(), "tensorrt"), ROUNDED


def _ours(checkpoint: Path, folder: Path, precision: str, target: str) -> Path:
    from asd_edge.export.beats import BeatsExport
    from asd_edge.export.beats.export import export_beats

    path = folder / f"{precision}.onnx"
    export_beats(BeatsExport(checkpoint, path, "mean", precision=precision, target=target))
    return path


def _on_device(path: Path, provider: str) -> Run:
    from asd_edge.runtime.inference.model import Model

    model = Model(path, provider)
    return lambda window: model.embed(window[0]).embedding[None]


def _with_defaults(path: Path, device: str) -> Run:
    import onnxruntime

    wanted = f"{device.upper()}ExecutionProvider"
    session = onnxruntime.InferenceSession(path, providers=[wanted])
    if session.get_providers()[0] != wanted:
        raise RuntimeError("ONNX Runtime fell back to the CPU")
    return lambda window: np.asarray(session.run(None, {"waveform": window})[0])


def _exported(module: nn.Module, folder: Path, device: str) -> Run:
    from asd_edge.benchmarks.studies.cost.peers.plain_beats import export_plain

    path = folder / "speechbrain.onnx"
    export_plain(module, SAMPLES, path)
    return _with_defaults(path, device)


def _eager(module: Callable[..., Any], device: str) -> Run:
    import torch

    if isinstance(module, torch.nn.Module):
        module.to(device)

    def run(window: Window) -> Window:
        with torch.no_grad():
            return np.asarray(module(torch.from_numpy(window).to(device)).cpu().numpy())

    return run


def _compiled(module: nn.Module, device: str) -> Run:
    """By PyTorch's own compiler, which wants one of C++, and may take the weights for constants."""
    import torch

    return _eager(torch.compile(module.to(device), options={"freezing": True}), device)


def _speechbrain(checkpoint: Path) -> nn.Module:
    """The encoder that others use, with the mean over its patches."""
    import torch
    from speechbrain.lobes.models.beats import BEATs
    from torch import Tensor, nn

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = BEATs(str(checkpoint))

        def forward(self, waveform: Tensor) -> Tensor:
            whole = torch.ones(len(waveform), device=waveform.device)
            pooled: Tensor = self.encoder.extract_features(waveform, whole)[0].mean(dim=1)
            return pooled

    return Pooled().eval().requires_grad_(False)


def _openvino(model: Path | Any) -> Run:
    import openvino

    # Left to itself it computes in bfloat16 where the processor can, which is another precision.
    precise = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", precise)
    return lambda window: np.asarray(compiled(window)[0])


def _nncf(path: Path) -> Run:
    """OpenVINO's own way to 8 bits, with the defaults for transformers and the clips that ours is calibrated with."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # NNCF reports its use by it where it is there
    import nncf
    import openvino

    clips = generated_clips(SAMPLES).calibration
    model = openvino.Core().read_model(path)
    model.reshape([1, SAMPLES])
    return _openvino(
        nncf.quantize(model, nncf.Dataset([clip[None] for clip in clips]), model_type=nncf.ModelType.TRANSFORMER)
    )
