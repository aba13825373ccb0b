"""The commands `asd-edge bench` and `asd-edge bench compare`: they run a benchmark, or compare two, and print."""

import sys
from typing import TYPE_CHECKING

import typer

from asd_edge.benchmarks.bench.settings import BenchSettings, CompareSettings
from asd_edge.calibration.command_line import options

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
    from rich.console import Console

    from asd_edge.benchmarks.bench.bench import bench as run_bench

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with console.status("loading") as status:

        def show(what: str, left_s: float) -> None:
            status.update(f"{what}; about {left_s:.0f} s left" if left_s else what)

        try:
            found = run_bench(settings, show)
        except KeyboardInterrupt:
            console.print("Stopped; nothing was written.")
            raise
    _show(found, settings)


@bench.command()
@options
def compare(settings: CompareSettings) -> None:
    """Compare two benchmarks; exit with 1 where the second is worse than the tolerance allows, for a CI."""
    from rich.console import Console
    from rich.table import Table

    from asd_edge.benchmarks.bench.compare import compare as compare_files

    found = compare_files(settings)
    table = Table(box=None, padding=(0, 0, 0, 2))
    for name in ("", "measure"):
        table.add_column(name, no_wrap=True)
    for name in ("first", "second", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    latest = ""
    for change in found.changes:
        verdict = "[red]worse[/red]" if change.worse else ""
        named = change.combination if change.combination != latest else ""
        latest = change.combination
        table.add_row(
            named, change.measure, f"{change.before:.4g}", f"{change.after:.4g}", f"{change.ratio:.3f}", verdict
        )
    console = Console(highlight=False, width=_WIDEST)
    console.print(table)
    for name in found.failed:
        console.print(f"[red]{name}: its quality is beyond the limits now.[/red]")
    for remark in found.remarks:
        console.print(remark, markup=False)
    if found.worse:
        print(f"Worse than the tolerance of {100 * settings.tolerance:g} % allows.", file=sys.stderr)
        sys.exit(1)


def _show(found: "Bench", settings: BenchSettings) -> None:
    from rich.console import Console

    from asd_edge.benchmarks.bench.tables import explanations, tables
    from asd_edge.benchmarks.drawing import NO_CHARTS, can_draw
    from asd_edge.benchmarks.probes.host import describe_host

    console = Console(highlight=False, width=_WIDEST)
    print(describe_host())
    for table in tables(found):
        print()
        console.print(table)
    print()
    for sentence in explanations(found):
        print(sentence)
    for each in found.left_out:
        print(f"Left out: {each.name}: {each.reason}" + (f" -> {each.next_step}" if each.next_step else ""))
    if not can_draw():
        print(NO_CHARTS)
    print(f"\nResults: {settings.output / 'bench.json'}; page: {settings.output / 'report.html'}")
