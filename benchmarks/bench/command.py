"""`asd-edge bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from asd_edge.benchmarks.bench.results import Bench

_WIDEST = 1000
"""Columns of a table: rather let the terminal wrap a row than hide figures."""
_SEVERAL = ("--model", "--provider", "--precision", "--batch", "--threads")


class _Several(TyperGroup):
    """Options that take several values in a row: ``--batch 1 2 4`` is ``--batch 1 --batch 2 --batch 4``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spread: list[str] = []
        option = ""
        for argument in args:
            if argument.startswith("-"):
                option = argument if argument in _SEVERAL else ""
            elif option and spread[-1] != option:
                spread.append(option)
            spread.append(argument)
        return super().parse_args(ctx, spread)


bench = typer.Typer(add_completion=False)


@bench.callback(cls=_Several, invoke_without_command=True)
def measure(
    ctx: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Models to measure, .onnx files or 'logmel', which is the default."),
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", help="Where they run: cpu, cuda, tensorrt, openvino or coreml. Default: all here."),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", help="Of the models given, only those in fp32, fp16 or int8. Default: all."),
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", help="Windows that are embedded at once. Default: 1.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option("--threads", help="CPU threads of the model. Default: 0, one per physical core."),
    ] = None,
    duration: Annotated[
        float,
        typer.Option(
            "--duration", help="Seconds to time each combination, and as long again to add microphones to it."
        ),
    ] = 20.0,
    hop: Annotated[float, typer.Option("--hop", help="Seconds between the windows of a microphone.")] = 10.0,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Recordings as of `evaluate`: how well faults are found, beside how fast."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", help="New folder for bench.json and the page, report.html.")
    ] = Path("bench"),
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Prepare a large model for this computer, once, beside it."),
    ] = True,
) -> None:
    """Measure what this device can do: time, microphones, memory, energy and, beside them, quality.

    Every model is run with every provider, batch and number of threads, all in turns. --model, --provider, --precision,
    --batch and --threads take several values in a row: --batch 1 2 4.
    """
    if ctx.invoked_subcommand is not None:
        return
    from rich.console import Console

    from asd_edge.benchmarks.bench.bench import bench as run_bench
    from asd_edge.benchmarks.bench.plan import BenchSettings

    settings = BenchSettings(
        models=tuple(model or ("logmel",)),
        providers=tuple(provider or ()),
        precisions=tuple(precision or ()),
        batches=tuple(batch or (1,)),
        threads=tuple(threads or (0,)),
        duration_s=duration,
        hop_s=hop,
        data=data,
        cache=cache,
    )
    told = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with told.status("loading") as status:

        def show(what: str, left_s: float) -> None:
            status.update(f"{what}; about {left_s:.0f} s left" if left_s else what)

        try:
            found = run_bench(settings, output, show)
        except KeyboardInterrupt:
            told.print("Stopped; nothing was written.")
            raise
    _show(found, output)


@bench.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A bench.json.")],
    second: Annotated[Path, typer.Argument(help="Another one, of another device or version.")],
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="By which share the second may be worse; beyond it, exit with 1.")
    ] = 0.1,
) -> None:
    """Compare two benchmarks; exit with 1 where the second is worse than the tolerance allows, for a CI."""
    from rich.console import Console
    from rich.table import Table

    from asd_edge.benchmarks.bench.compare import compare as compare_files

    found = compare_files(first, second, tolerance)
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
        print(f"Worse than the tolerance of {100 * tolerance:g} % allows.", file=sys.stderr)
        sys.exit(1)


def _show(found: Bench, output: Path) -> None:
    from rich.console import Console

    from asd_edge.benchmarks.bench.tables import tables
    from asd_edge.benchmarks.bench.words import explanations
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
    print(f"\nResults: {output / 'bench.json'}; page: {output / 'report.html'}")
