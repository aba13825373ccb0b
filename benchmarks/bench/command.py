"""The commands `asd-edge bench` and `asd-edge bench compare`: they run a benchmark, or compare two, and print."""

import sys
from typing import TYPE_CHECKING

import typer

from asd_edge.benchmarks.bench.settings import BenchSettings, CompareSettings
from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import visible

if TYPE_CHECKING:
    from asd_edge.benchmarks.bench.results import Bench

_WIDEST = 1000
"""Columns of a table: rather let the terminal wrap a row than hide figures."""

bench = typer.Typer(add_completion=False)


@bench.callback(invoke_without_command=True)
@options
def measure(ctx: typer.Context, settings: BenchSettings) -> None:
    """Measure what this device can do: time, microphones, memory, energy and, beside them, quality.

    Options for several values are repeated: --batch 1 --batch 4.
    """
    if ctx.invoked_subcommand is not None:
        return
    from rich.text import Text

    from asd_edge.benchmarks.bench.bench import bench as run_bench
    from asd_edge.calibration.console import Console

    console = Console(stderr=True)
    with console.status("loading") as status:

        def show(what: str, left_s: float) -> None:
            status.update(Text(visible(f"{what}; about {left_s:.0f} s left" if left_s else what)))

        try:
            found = run_bench(settings, show)
        except KeyboardInterrupt:
            console.say("Stopped; nothing was written.")
            raise
    _show(found, settings)


@bench.command()
@options
def compare(settings: CompareSettings) -> None:
    """Compare two benchmarks; exit with 1 where the second is worse than the tolerance allows, for a CI."""
    from rich.table import Table
    from rich.text import Text

    from asd_edge.benchmarks.bench.compare import compare as compare_files
    from asd_edge.calibration.console import Console

    found = compare_files(settings)
    table = Table(box=None, padding=(0, 0, 0, 2))
    for name in ("", "measure"):
        table.add_column(name, no_wrap=True)
    for name in ("first", "second", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    latest = ""
    for change in found.changes:
        verdict = Text("worse" if change.worse else "", "red")
        named = change.combination if change.combination != latest else ""
        latest = change.combination
        table.add_row(
            visible(named),
            change.measure,
            f"{change.before:.4g}",
            f"{change.after:.4g}",
            f"{change.ratio:.3f}",
            verdict,
        )
    console = Console()
    Console(width=_WIDEST).print(table)
    for name in found.failed:
        console.say(f"{visible(name)}: its quality is beyond the limits now.", style="red")
    for remark in found.remarks:
        console.say(visible(remark))
    if found.worse:
        Console(stderr=True).say(f"Worse than the tolerance of {100 * settings.tolerance:g} % allows.")
        sys.exit(1)


def _show(found: "Bench", settings: BenchSettings) -> None:
    from asd_edge.benchmarks.bench.tables import explanations, tables
    from asd_edge.benchmarks.drawing import NO_CHARTS, can_draw
    from asd_edge.benchmarks.probes.host import describe_host
    from asd_edge.calibration.console import Console

    console, wide = Console(), Console(width=_WIDEST)
    console.say(visible(describe_host()))
    for table in tables(found):
        console.say("")
        wide.print(table)
    console.say("")
    for sentence in explanations(found):
        console.say(visible(sentence))
    for each in found.left_out:
        console.say(
            visible(f"Left out: {each.name}: {each.reason}" + (f" -> {each.next_step}" if each.next_step else ""))
        )
    if not can_draw():
        console.say(NO_CHARTS)
    console.say(
        f"\nResults: {visible(settings.output / 'bench.json')}; page: {visible(settings.output / 'report.html')}"
    )
