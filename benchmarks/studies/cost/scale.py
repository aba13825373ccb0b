"""How the cost of a score grows with the number of references. Linux only.

Each way to hold them is measured in a fresh process: in memory as the runtime holds them, mapped from a file, and
mapped in half precision.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from asd_edge.benchmarks.drawing import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.probes.processes import read_memory
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.enrolment.settings import MOST_REFERENCES
from asd_edge.runtime.own_process import module_command

WAYS = {
    "float32 in memory, the runtime's": ("memory", "float32"),
    "float32, mapped": ("mapped", "float32"),
    "float16, mapped": ("mapped", "float16"),
}
"""The ways that are measured: the name of each, how the references are held, and their type."""
_TOLERANCE = 1e-3
"""How far two distances may be apart, in parts of them: half precision rounds to 5e-4 of each number."""
_WRITTEN = 10_000
"""So many rows of random references are written at once."""


@settings
class ScaleSettings:
    """Against how many references to score."""

    references: Annotated[
        tuple[int, ...],
        Setting(
            "How many references to compare with; the option can be repeated.", at_least=1, at_most=MOST_REFERENCES
        ),
    ] = (100, 1_000, 10_000, 100_000, 1_000_000)
    dimensions: Annotated[
        int,
        Setting(
            "The dimensions of an embedding; those of BEATs, averaged over patches, are 768.", at_least=1, at_most=65536
        ),
    ] = 768
    output: Annotated[Path | None, Setting("The folder for the figure, references.svg.")] = None


@dataclass(frozen=True)
class Scored:
    """What one way to score took."""

    way: str
    references: int
    median_s: float
    """the time of one score, after the first"""
    first_s: float
    """the time of the first, when nothing was read yet"""
    resident_bytes: int
    private_bytes: int


def score_costs(references: Sequence[int], dimensions: int, folder: Path) -> list[Scored]:
    """Measure time and memory of a score, by number of references, each way in a process of its own.

    Args:
        references: How many to compare with, one after the other.
        dimensions: The dimensions of an embedding.
        folder: Where the references can be written; four bytes a number, and two more.

    Raises:
        ValueError: One way finds another distance than the runtime's.
    """
    found = []
    for count in references:
        paths = _write_references(count, dimensions, folder)
        distances = []
        for way, (held, kind) in WAYS.items():
            module = "asd_edge.benchmarks.studies.cost.score_process"
            command = module_command(module, held, paths[kind])
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
    """Write the same random references in single and in half precision, a part after the other."""
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


def draw(scored: list[Scored], path: Path) -> None:
    """Write time and memory of a score over the references, as SVG.

    Args:
        scored: What `score_costs` found.
        path: The file to write.
    """
    figure = new_figure(9.0, 3.6)
    times, memory = figure.subplots(1, 2)
    for way in WAYS:
        points = [each for each in scored if each.way == way]
        counts = [each.references for each in points]
        times.loglog(counts, [1e3 * each.median_s for each in points], marker=".", label=way)
        memory.loglog(counts, [each.private_bytes / 1e6 for each in points], marker=".", label=way)
    times.set(xlabel="references", ylabel="ms a score")
    memory.set(xlabel="references", ylabel="private memory, MB")
    save_figure(figure, path)


def scale(wanted: ScaleSettings) -> None:
    """How the cost of a score grows with the number of references."""
    say(describe_host())
    with tempfile.TemporaryDirectory() as folder:
        scored = score_costs(wanted.references, wanted.dimensions, Path(folder))
    heads = (f"{wanted.dimensions} dimensions", "references", "ms a score", "the first", "resident MB", "private MB")
    rows = (
        (
            each.way,
            f"{each.references:,}",
            f"{1e3 * each.median_s:.2f}",
            f"{1e3 * each.first_s:.1f}",
            f"{each.resident_bytes / 1e6:.0f}",
            f"{each.private_bytes / 1e6:.0f}",
        )
        for each in scored
    )
    print_table(heads, rows)
    if wanted.output is not None:
        draw(scored, wanted.output / "references.svg")
