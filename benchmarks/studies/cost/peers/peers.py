"""How fast we are beside what a user would pick instead.

An exported BEATs stands beside PyTorch, speechbrain, OpenVINO and NNCF, a score beside scikit-learn, faiss and usearch.
``pip install '.[cpu,bench]'`` installs them; those that are missing are left out and named. All variants see the same
window, interleaved as in `asd_edge.benchmarks.probes.interleaved`; rounds that were disturbed are repeated.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from asd_edge.benchmarks.drawing import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.studies.cost.peers.beats_peers import DEVICES, Timing, measure, variants_of
from asd_edge.benchmarks.studies.cost.peers.scoring import missing_peers, score_times
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.calibration.wording import counted
from asd_edge.runtime.enrolment.settings import MOST_REFERENCES


@settings
class PeersSettings:
    """What to set beside its peers."""

    checkpoint: Annotated[
        Path | None,
        Setting("The path of a BEATs checkpoint, as Microsoft publishes it; without one, scores alone are timed."),
    ] = None
    device: Annotated[str, Setting("The processor that BEATs runs on: cpu or cuda.")] = "cpu"
    rounds: Annotated[int, Setting("How many rounds to keep that nothing disturbed.", at_least=1, at_most=10000)] = 20
    references: Annotated[
        tuple[int, ...],
        Setting(
            "How many references to score against; the option can be repeated.", at_least=1, at_most=MOST_REFERENCES
        ),
    ] = (100, 1_000, 10_000, 100_000)
    dimensions: Annotated[int, Setting("The dimensions of an embedding.", at_least=1, at_most=65536)] = 768
    output: Annotated[Path | None, Setting("The folder for the figures.")] = None

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(
                "BEATs and its peers do not run there.",
                got=f"--device {self.device}",
                valid=" or ".join(DEVICES),
                next_step="try --device cpu",
            )


def compare_models(checkpoint: Path, rounds: int, device: str) -> list[Timing]:
    """Measure an exported BEATs and its peers, and print the table.

    Args:
        checkpoint: A BEATs checkpoint.
        rounds: How many rounds to keep.
        device: Where they run, ``cpu`` or ``cuda``.
    """
    with tempfile.TemporaryDirectory() as folder:
        timings = variants_of(checkpoint, Path(folder), device)
        repeated = measure(timings, rounds)
    say(f"{device}: {counted(rounds, 'round')}, {repeated} more were disturbed and repeated")
    heads = ("variant", "ms a window, median", "least", "after a wait", "ratio, median of rounds", "largest difference")
    rows = []
    for timing in timings:
        times = (timing.median_s, min(timing.took_s), statistics.median(timing.waited_s))
        shown = (f"{1e3 * seconds:.3g}" for seconds in times)
        rows.append((timing.name, *shown, f"{timing.ratio(timings[0]):.3f}", f"{timing.difference:.2g}"))
    print_table(heads, rows)
    return timings


def compare_scoring(references: Sequence[int], dimensions: int) -> dict[int, dict[str, float]]:
    """Time a score by everything that is installed, and print the table.

    Args:
        references: How many to compare with, one after the other.
        dimensions: The dimensions of an embedding.

    Returns:
        The seconds of a score, by number of references and by what computed it.
    """
    found = {count: score_times(count, dimensions) for count in references}
    rows = [(name, *(f"{1e3 * found[count][name]:.3g}" for count in references)) for name in found[references[0]]]
    print_table((f"ms a score, {counted(dimensions, 'dimension')}", *(f"{count:,}" for count in references)), rows)
    for name in missing_peers():
        say(f"left out, {name}: not installed")
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


def peers(wanted: PeersSettings) -> None:
    """How fast BEATs and a score are beside what else there is."""
    say(describe_host())
    timings: list[Timing] = []
    if wanted.checkpoint is not None:
        timings = compare_models(wanted.checkpoint, wanted.rounds, wanted.device)
    scored = compare_scoring(wanted.references, wanted.dimensions)
    if wanted.output is not None:
        if timings:
            draw_models(timings, wanted.output / f"peers-{wanted.device}.svg")
        draw_scoring(scored, wanted.output / "peers-scoring.svg")
