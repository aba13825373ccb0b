"""How long a model takes from nothing to the first score, and in how much memory. Linux only.

Fresh processes start one variant after the other in every round, in an order that changes: a computer drifts, so only
ratios within one run mean anything. Files are in the system's cache. A score is the distance of one window's embedding
to a reference.
"""

import logging
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from asd_edge.benchmarks.drawing import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.probes.process_start import FreshStart, Start, start_all
from asd_edge.benchmarks.studies.cost.peers.beats_peers import BASELINE, SAMPLES
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.calibration.wording import counted

_AS_IT_IS = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
window = np.random.default_rng(0).normal(0.0, 0.1, (1, 160_000)).astype(np.float32)
embedding = session.run(None, {"waveform": window})[0]
print(float(np.linalg.norm(embedding - np.zeros_like(embedding))), flush=True)
sys.stdin.read()
"""
"""A model as a user runs it without this program, with the defaults of ONNX Runtime."""


@settings
class ColdStartSettings:
    """What to start, and how often."""

    models: Annotated[
        tuple[Path, ...], Setting("A model file of this program; the option can be repeated.", "--model")
    ] = ()
    checkpoint: Annotated[
        Path | None,
        Setting(
            "The path of a BEATs checkpoint, as Microsoft publishes it, of which an export is set beside a plain one."
        ),
    ] = None
    rounds: Annotated[int, Setting("How often to start each.", at_least=1, at_most=10000)] = 10
    output: Annotated[Path | None, Setting("The folder for the figure, starts.svg: time over the size of a model.")] = (
        None
    )

    def __post_init__(self) -> None:
        if not self.models and self.checkpoint is None:
            raise InputError(
                "There is nothing to start.",
                got="neither a model nor a checkpoint",
                valid="--model FILE, --checkpoint FILE, or both",
                next_step="see asd-edge study cold-start --help",
            )


def starts_of(wanted: ColdStartSettings, folder: Path) -> tuple[list[Start], dict[Path, Start]]:
    """Name what to measure.

    Args:
        wanted: The models and the checkpoint.
        folder: Where exported files and copies of the models may be written, with their caches.

    Returns:
        All variants, the baseline first; and those of each model file from its cache.
    """
    starts: list[Start] = []
    paths: list[Path] = []
    if wanted.checkpoint is not None:
        from asd_edge.benchmarks.studies.cost.peers.plain_beats import export_plain, load_plain_beats
        from asd_edge.export.beats import BeatsExport
        from asd_edge.export.beats.export import export_beats

        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        plain, ours = folder / "plain.onnx", folder / "asd-edge export.onnx"
        export_plain(load_plain_beats(wanted.checkpoint), SAMPLES, plain)
        export_beats(BeatsExport(wanted.checkpoint, ours, "mean"))
        starts = [
            Start.of_python(BASELINE, _AS_IT_IS, plain),
            Start.of_python("asd-edge export, ONNX Runtime's defaults", _AS_IT_IS, ours),
        ]
        paths = [ours]
    paths += [Path(shutil.copy(model, folder)) for model in wanted.models]
    cached = {path: Start.of_model(f"{path.stem}, from its cache", path) for path in paths}
    for path in paths:
        starts += [Start.of_model(f"{path.stem}, without a cache", path, cache=False), cached[path]]
    return starts, cached


def draw(started: dict[Path, Start], path: Path) -> None:
    """Write the time to the first score over the size of the model, as SVG.

    Args:
        started: What was measured of each model file.
        path: The file to write.
    """
    figure = new_figure(5.0, 3.6)
    axes = figure.subplots()
    sizes = [model.stat().st_size / 1e6 for model in started]
    axes.plot(sizes, [statistics.median(start.took_s) for start in started.values()], marker=".", linestyle="")
    axes.set(xlabel="model, MB", ylabel="s to the first score", ylim=(0.0, None))
    save_figure(figure, path)


def cold_start(wanted: ColdStartSettings) -> None:
    """How long a model takes from nothing to the first score, and in how much memory."""
    say(f"{describe_host()}\n{counted(wanted.rounds, 'round')}")
    with tempfile.TemporaryDirectory() as folder:
        starts, cached = starts_of(wanted, Path(folder))
        os.sync()
        start_all(starts, wanted.rounds)
        if wanted.output is not None:
            draw(cached, wanted.output / "starts.svg")
        sizes = {start.name: path.stat().st_size for path, start in cached.items()}
    heads = ("variant", "s to the first score, median", "least", "ratio, median of rounds")
    print_table((*heads, "resident MB", "in no file", "peak"), _rows(starts))
    for start in cached.values():
        say(f"\n{start.name}: {sizes[start.name] / 1e6:.0f} MB; the first start took {start.warm_up_s:.1f} s.")


def _rows(starts: list[Start]) -> Iterator[tuple[str, ...]]:
    for start in starts:
        found = FreshStart.of(start)
        ratio = statistics.median(ours / theirs for ours, theirs in zip(start.took_s, starts[0].took_s, strict=True))
        memory = (found.resident_bytes, found.anonymous_bytes, found.peak_bytes)
        shown = ("" if size is None else f"{size / 1e6:.0f}" for size in memory)
        yield start.name, f"{found.median_s:.2f}", f"{found.least_s:.2f}", f"{ratio:.3f}", *shown
