"""How long a large model takes from nothing to the first score, and in how much memory. Linux only.

``python -m asd_edge.benchmarks.studies.cold_start --checkpoint FILE [--model FILE ...]`` starts fresh processes, one
variant after the other in every round, in an order that changes: the machine drifts, so only ratios within one run mean
anything. Files are in the system's cache. A score is the distance of one window's embedding to a reference.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import tempfile
from pathlib import Path

from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.probes.process_start import SCORED, Start, start_all
from asd_edge.benchmarks.studies.peers.beats_peers import BASELINE, SAMPLES

_AS_IT_IS = (
    """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
window = np.random.default_rng(0).normal(0.0, 0.1, (1, 160_000)).astype(np.float32)
embedding = session.run(None, {"waveform": window})[0]
"""
    + SCORED
)


def starts_of(checkpoint: Path, models: list[Path], folder: Path) -> list[Start]:
    """What to measure: our export and its peer, the baseline first, and whatever other models are given.

    Args:
        checkpoint: A BEATs checkpoint.
        models: Other models of ours to measure with their caches.
        folder: Where exported files may be written.
    """
    from asd_edge.benchmarks.studies.peers.plain_beats import export_plain, load_plain_beats
    from asd_edge.export.beats.export import export_beats

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    plain, ours = folder / "plain.onnx", folder / "ours.onnx"
    export_plain(load_plain_beats(checkpoint), SAMPLES, plain)
    export_beats(checkpoint, ours, "mean")
    others = [Path(shutil.copy(model, folder)) for model in models]
    return [
        Start(BASELINE, [_AS_IT_IS, str(plain)]),
        Start("asd-edge export, ONNX Runtime's defaults", [_AS_IT_IS, str(ours)]),
        *(
            Start.of_model(f"{'asd-edge export' if path == ours else path.name}, {how}", path, cache=cache)
            for path in (ours, *others)
            for how, cache in (("without a cache", False), ("from its cache", True))
        ),
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="BEATs_iter3.pt, or one of the same layout")
    parser.add_argument("--model", type=Path, action="append", default=[], help="another model of ours, such as int8")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        starts = starts_of(arguments.checkpoint, arguments.model, Path(folder))
        os.sync()
        start_all(starts, arguments.rounds)
    print(f"{describe_machine()}\n{arguments.rounds} rounds\n")
    print(
        "| variant | s to the first score, median | least | ratio, median of rounds | resident MB | in no file | peak |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for start in starts:
        ratio = statistics.median(ours / theirs for ours, theirs in zip(start.took_s, starts[0].took_s, strict=True))
        memory = [
            statistics.median(getattr(memory, name) for memory in start.memory) / 1e6
            for name in ("resident", "anonymous", "peak")
        ]
        figures = [f"{statistics.median(start.took_s):.2f}", f"{min(start.took_s):.2f}", f"{ratio:.3f}"]
        print(f"| {' | '.join([start.name, *figures, *(f'{megabytes:.0f}' for megabytes in memory)])} |")
    built = ", ".join(
        f"{start.name.partition(',')[0]} {start.warm_up_s:.1f} s" for start in starts if "from its" in start.name
    )
    print(f"\nThe first start, which builds the cache: {built}.")


if __name__ == "__main__":
    main()
