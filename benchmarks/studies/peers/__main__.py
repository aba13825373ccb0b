"""How fast we are beside what a user would pick instead.

``python -m asd_edge.benchmarks.studies.peers [--checkpoint FILE]`` times an
exported BEATs beside PyTorch, speechbrain, OpenVINO and NNCF; and a score beside scikit-learn, faiss and usearch.
``pip install '.[cpu,bench]'`` installs them; those that are missing are left out and named.

All variants see the same window, interleaved as in `asd_edge.benchmarks.probes.interleaved`; rounds that were disturbed
are repeated.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from asd_edge.benchmarks.probes.figures import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.studies.peers.beats_peers import DEVICES, Timing, measure, variants_of
from asd_edge.benchmarks.studies.peers.scoring import missing_peers, score_times
from asd_edge.calibration.errors import InputError


def compare_models(checkpoint: Path, rounds: int, device: str) -> list[Timing]:
    """Measure an exported BEATs and its peers, and print the table.

    Args:
        checkpoint: A BEATs checkpoint.
        rounds: How many to keep.
        device: ``cpu`` or ``cuda``.
    """
    with tempfile.TemporaryDirectory() as folder:
        timings = variants_of(checkpoint, Path(folder), device)
        repeated = measure(timings, rounds)
    print(f"{device}: {rounds} rounds, {repeated} more were disturbed and repeated\n")
    print("| variant | ms a window, median | least | after a wait | ratio, median of rounds | largest difference |")
    print("|---|--:|--:|--:|--:|--:|")
    for timing in timings:
        times = (timing.median_s, min(timing.took_s), statistics.median(timing.waited_s))
        shown = " | ".join(f"{1e3 * seconds:.3g}" for seconds in times)
        print(f"| {timing.name} | {shown} | {timing.ratio(timings[0]):.3f} | {timing.difference:.2g} |")
    return timings


def compare_scoring(references: list[int], dimensions: int) -> dict[int, dict[str, float]]:
    """Time a score by everything that is installed, and print the table.

    Args:
        references: How many to compare with, one after the other.
        dimensions: Of an embedding.

    Returns:
        Seconds, by number of references and by what computed it.
    """
    found = {count: score_times(count, dimensions) for count in references}
    print(f"\n| ms a score, {dimensions} dimensions | {' | '.join(f'{count:,}' for count in references)} |")
    print(f"|---|{'--:|' * len(references)}")
    for name in found[references[0]]:
        print(f"| {name} | {' | '.join(f'{1e3 * found[count][name]:.3g}' for count in references)} |")
    for name in missing_peers():
        print(f"left out, {name}: not installed")
    return found


def draw_models(timings: list[Timing], path: Path) -> None:
    """Write a bar for each variant, from its least to its median time, as SVG."""
    figure = new_figure(8.0, 0.6 + 0.32 * len(timings))
    axes = figure.subplots()
    ordered = sorted(timings, key=lambda timing: -timing.median_s)
    colours = ["tab:orange" if timing.name.startswith("asd-edge") else "tab:blue" for timing in ordered]
    names = [timing.name for timing in ordered]
    bars = axes.barh(names, [1e3 * timing.median_s for timing in ordered], color=colours)
    axes.bar_label(bars, [f"{timing.ratio(timings[0]):.2f}" for timing in ordered], padding=3)
    axes.margins(x=0.1)
    axes.set(xlabel="ms a window of 10 s, and its ratio to the plain export")
    save_figure(figure, path)


def draw_scoring(found: Mapping[int, Mapping[str, float]], path: Path) -> None:
    """Write how the time of a score grows with the references, as SVG."""
    figure = new_figure(6.0, 3.8)
    axes = figure.subplots()
    for name in next(iter(found.values())):
        axes.loglog([*found], [1e3 * took_s[name] for took_s in found.values()], marker=".", label=name)
    axes.set(xlabel="references", ylabel="ms a score")
    save_figure(figure, path)


def main() -> None:
    """Measure, print the tables and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="BEATs_iter3.pt, or one of the same layout")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where BEATs runs (default: cpu)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--references", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--dimensions", type=int, default=768, help="of an embedding")
    parser.add_argument("--output", type=Path, help="folder for the figures")
    arguments = parser.parse_args()
    print(describe_machine())
    timings: list[Timing] = []
    if arguments.checkpoint:
        try:
            timings = compare_models(arguments.checkpoint, arguments.rounds, arguments.device)
        except (InputError, ImportError) as error:
            sys.exit(f"{error}; pip install '.[cpu,bench]'" if isinstance(error, ImportError) else str(error))
    scored = compare_scoring(arguments.references, arguments.dimensions)
    if arguments.output:
        if timings:
            draw_models(timings, arguments.output / f"peers-{arguments.device}.svg")
        draw_scoring(scored, arguments.output / "peers-scoring.svg")


if __name__ == "__main__":
    main()
