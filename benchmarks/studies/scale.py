"""How cost grows: ``python -m asd_edge.benchmarks.studies.scale [--model FILE ...] [--output DIR]``. Linux only.

- A score over ever more references, each in a fresh process: held in memory as the runtime holds them, mapped from a
  file, and mapped in half precision.
- From nothing to the first score over ever larger models.

How many microphones a device carries is another command, `asd_edge.benchmarks.studies.microphones`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd_edge.benchmarks.probes.figures import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.probes.process_start import FreshStart, Start, start_all
from asd_edge.benchmarks.probes.processes import read_memory
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.scorers.nearest import NearestNeighbour
from asd_edge.calibration.scorers.normalisation import Normalisation

REFERENCES = (100, 1_000, 10_000, 100_000, 1_000_000)
DIMENSIONS = 768
"""Of BEATs, averaged over patches."""
WAYS = {
    "float32 in memory, the runtime's": "memory",
    "float32, mapped": "float32",
    "float16, mapped": "float16",
}
_BLOCK = 4096
"""References that are compared with at once, where they are mapped: 12 MB in single precision."""
_QUERIES = 15
_TOLERANCE = 1e-3
"""How far two distances may be apart, in parts of them: half precision rounds to 5e-4 of each number."""
_WRITTEN = 10_000
"""Rows of random references written at once."""


@dataclass(frozen=True)
class Scored:
    """What one way to score took."""

    way: str
    references: int
    median_s: float
    """of one score, after the first"""
    first_s: float
    """when nothing was read yet"""
    resident_bytes: int
    private_bytes: int


def score_costs(references: list[int], dimensions: int, folder: Path) -> list[Scored]:
    """Time and memory of a score, by number of references, each way in a process of its own.

    Args:
        references: How many to compare with, one after the other.
        dimensions: Of an embedding.
        folder: Where the references can be written; four bytes a number, and two more.

    Raises:
        ValueError: One way finds another distance than the runtime's.
    """
    found = []
    for count in references:
        paths = _write_references(count, dimensions, folder)
        distances = []
        for way, kind in WAYS.items():
            path = paths["float16" if kind == "float16" else "float32"]
            command = [sys.executable, "-m", "asd_edge.benchmarks.studies.scale", "--score", kind, str(path)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
                said = json.loads(process.stdout.readline() if process.stdout else "null")
                memory = read_memory(process.pid)
                process.kill()
            distances.append(said["distance"])
            if abs(distances[-1] - distances[0]) > _TOLERANCE * distances[0]:
                raise ValueError(f"{way}: the nearest of {count} is {distances[-1]:g} away and not {distances[0]:g}")
            found.append(Scored(way, count, said["median_s"], said["first_s"], memory.resident, memory.private))
        for path in paths.values():
            path.unlink()
    return found


def _write_references(count: int, dimensions: int, folder: Path) -> dict[str, Path]:
    """The same random references in single and in half precision, a part after the other."""
    paths = {name: folder / f"{name}.npy" for name in ("float32", "float16")}
    files = {
        name: np.lib.format.open_memmap(path, "w+", np.dtype(name), (count, dimensions)) for name, path in paths.items()
    }
    rng = np.random.default_rng(0)
    for start in range(0, count, _WRITTEN):
        part = rng.standard_normal((min(_WRITTEN, count - start), dimensions), dtype=np.float32)
        for file in files.values():
            file[start : start + len(part)] = part
    return paths


def _score(kind: str, path: Path) -> None:
    """Score in this process, say how long it took, and wait."""
    queries = np.random.default_rng(1).standard_normal((_QUERIES, np.load(path, mmap_mode="r").shape[1]), np.float32)
    score = _in_memory(path) if kind == "memory" else _mapped(path)
    took_s, distance = [], 0.0
    for query in queries:
        began = time.perf_counter()
        distance = score(query)
        took_s.append(time.perf_counter() - began)
    said = {"first_s": took_s[0], "median_s": statistics.median(took_s[1:]), "distance": distance}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


def _in_memory(path: Path) -> Callable[[FloatArray], float]:
    references = np.load(path)
    dimensions = references.shape[1]
    as_it_is = Normalisation(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
    scorer = NearestNeighbour(references, as_it_is)
    return lambda query: scorer.score(ModelOutput(query))


def _mapped(path: Path) -> Callable[[FloatArray], float]:
    """By the same sum as the runtime's, over references that stay in their file; of no other use than to compare."""
    references = np.load(path, mmap_mode="r")
    starts = range(0, len(references), _BLOCK)

    def block(start: int) -> FloatArray:
        return np.asarray(references[start : start + _BLOCK], np.float32)

    norms = [np.einsum("nd,nd->n", part, part) for part in map(block, starts)]

    def score(query: FloatArray) -> float:
        least = min(
            float((norm - 2.0 * (block(start) @ query)).min()) for start, norm in zip(starts, norms, strict=True)
        )
        return float(np.sqrt(max(least + float(query @ query), 0.0)))

    return score


def model_starts(models: list[Path], rounds: int) -> dict[Path, FreshStart]:
    """Time and memory of fresh processes from their caches to the first score, by model.

    Args:
        models: Model files, whose caches are built beside them.
        rounds: As of `start_all`.
    """
    starts = {model: Start.of_model(model.name, model) for model in models}
    start_all(list(starts.values()), rounds)
    return {model: FreshStart.of(start) for model, start in starts.items()}


def draw(scored: list[Scored], started: dict[Path, FreshStart], folder: Path) -> None:
    """Write the curves, as SVG.

    Args:
        scored: Of `score_costs`.
        started: Of `model_starts`.
        folder: Where to.
    """
    if scored:
        figure = new_figure(9.0, 3.6)
        times, memory = figure.subplots(1, 2)
        for way in WAYS:
            points = [each for each in scored if each.way == way]
            counts = [each.references for each in points]
            times.loglog(counts, [1e3 * each.median_s for each in points], marker=".", label=way)
            memory.loglog(counts, [each.private_bytes / 1e6 for each in points], marker=".", label=way)
        times.set(xlabel="references", ylabel="ms a score")
        memory.set(xlabel="references", ylabel="private memory, MB")
        save_figure(figure, folder / "references.svg")
    if started:
        figure = new_figure(5.0, 3.6)
        axes = figure.subplots()
        sizes = [model.stat().st_size / 1e6 for model in started]
        axes.plot(sizes, [start.median_s for start in started.values()], marker=".", linestyle="")
        axes.set(xlabel="model, MB", ylabel="s to the first score", ylim=(0.0, None))
        save_figure(figure, folder / "starts.svg")


def main() -> None:
    """Measure, print the tables and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, nargs="*", default=REFERENCES)
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS)
    parser.add_argument("--model", type=Path, action="append", default=[], help="a model file; can be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each model")
    parser.add_argument("--output", type=Path, help="folder for the curves")
    parser.add_argument("--score", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.score:
        _score(arguments.score[0], Path(arguments.score[1]))
        return
    print(f"{describe_machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        scored = score_costs(arguments.references, arguments.dimensions, Path(folder))
    print(f"| {arguments.dimensions} dimensions | references | ms a score | the first | resident MB | private MB |")
    print("|---|--:|--:|--:|--:|--:|")
    for each in scored:
        times = f"{1e3 * each.median_s:.2f} | {1e3 * each.first_s:.1f}"
        memory = f"{each.resident_bytes / 1e6:.0f} | {each.private_bytes / 1e6:.0f}"
        print(f"| {each.way} | {each.references:,} | {times} | {memory} |")
    started = model_starts(arguments.model, arguments.rounds)
    if started:
        print("\n| model | MB | s to the first score | resident MB | in no file |\n|---|--:|--:|--:|--:|")
    for model, start in started.items():
        memory = f"{start.resident_bytes / 1e6:.0f} | {start.anonymous_bytes / 1e6:.0f}"
        print(f"| {model.name} | {model.stat().st_size / 1e6:.0f} | {start.median_s:.2f} | {memory} |")
    if arguments.output:
        draw(scored, started, arguments.output)


if __name__ == "__main__":
    main()
