"""What the runtime costs on this machine: ``python -m asd_edge.benchmarks.cost``. Linux only.

Everything but the scorer is measured from outside, on fresh processes of the program. The measuring process itself
loads none of the program's libraries before it is through with them: the system would count their pages as shared.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asd_edge.benchmarks.machine import describe_machine
from asd_edge.benchmarks.processes import ListenCost, first_score_times, listen_cost, wall_times

HELP_TARGET_S = 0.3
FIRST_SCORE_TARGET_S = 1.5
PRIVATE_TARGET_BYTES = 150e6
OTHER_SHARE_TARGET = 0.01
SCORE_TARGET_S = 0.003
HOP_S = 1.0
_SHORTEST_S = 20.0
"""Ten seconds fill the first window; the rest gives enough of them to divide by."""
_ENDING_S = 10.0
"""A played file ends by itself; this much later it is ended."""


@dataclass(frozen=True)
class Figure:
    """One thing that was measured."""

    subject: str
    measured: str
    target: str = ""
    met: bool | None = None
    """none where there is no target"""


def measure_cost(seconds: float = 45.0, runs: int = 15, microphone: str | None = None) -> Iterator[Figure]:
    """Measure what the runtime costs.

    Args:
        seconds: How long to listen, each time; at least 20.
        runs: How many processes to start where one is over at once.
        microphone: Name of one to listen to as well, with its recording process.

    Yields:
        Figures as they are measured.
    """
    seconds = max(seconds, _SHORTEST_S)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bank, sound, short = folder / "bank.npz", folder / "sound.wav", folder / "short.wav"
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
            elsewhere.submit(_prepare, bank, {sound: seconds, short: _SHORTEST_S}).result()
        yield _times("asd-edge --help", wall_times(["--help"], runs), HELP_TARGET_S)
        yield _times("start to first score", first_score_times(bank, short, max(3, runs // 3)), FIRST_SCORE_TARGET_S)
        played = ["--input", str(sound), "--realtime"]
        yield from _listening(listen_cost(played, bank, HOP_S, seconds + _ENDING_S, terminal=False))
        terminal = listen_cost(played, bank, HOP_S, seconds + _ENDING_S, terminal=True)
        yield _share("all but the model, shown in a terminal", terminal.other_share)
        if microphone is not None:
            yield from _recording(listen_cost(["--device", microphone], bank, HOP_S, seconds, terminal=False))
    yield from _scoring()


def _prepare(bank: Path, sounds: dict[Path, float]) -> None:
    from asd_edge.benchmarks.sounds import machine_bank, write_stereo
    from asd_edge.runtime import Model

    machine_bank(bank, Model(provider="cpu"))
    for path, duration_s in sounds.items():
        write_stereo(path, duration_s)


def _times(subject: str, times_s: list[float], target_s: float) -> Figure:
    median = statistics.median(times_s)
    measured = f"{median:.3f} s, at best {min(times_s):.3f} s ({len(times_s)} fresh processes, warm cache)"
    return Figure(subject, measured, f"< {target_s:g} s", median < target_s)


def _listening(cost: ListenCost) -> Iterator[Figure]:
    memory = cost.memory
    resident = f"{memory.resident / 1e6:.0f} MB, at most {memory.peak / 1e6:.0f} MB, after {cost.windows} windows"
    yield Figure("listen, 48 kHz stereo, hop 1 s: resident memory", resident)
    yield _private("private memory", memory.private)
    yield Figure("the model", f"{_percent(cost.model_share)} of one core, {1000 * cost.model_s:.1f} ms a window")
    yield _share("all but the model, JSON lines into a pipe", cost.other_share)


def _recording(cost: ListenCost) -> Iterator[Figure]:
    if cost.recorder_memory is None:
        return
    both = cost.memory.private + cost.recorder_memory.private
    yield _private("with a microphone: private memory of both processes", both)
    yield Figure("the recording process", f"{cost.recorder_memory.private / 1e6:.0f} MB")
    yield _share("with a microphone: all but the model, both processes", cost.other_share + cost.recorder_share)
    yield Figure("the recording process", f"{_percent(cost.recorder_share)} of one core")


def _scoring() -> Iterator[Figure]:
    from asd_edge.benchmarks.scoring import DIMENSIONS, REFERENCES, score_times

    (ours, ours_s), *others = score_times()
    against = f"a score against {REFERENCES:,} x {DIMENSIONS}, by"
    target = f"< {1000 * SCORE_TARGET_S:g} ms"
    yield Figure(f"{against} {ours}", f"{1000 * ours_s:.2f} ms", target, ours_s < SCORE_TARGET_S)
    for other, other_s in others:
        yield Figure(f"by {other}", f"{1000 * other_s:.1f} ms")


def _private(subject: str, private: int) -> Figure:
    target = f"< {PRIVATE_TARGET_BYTES / 1e6:.0f} MB"
    return Figure(subject, f"{private / 1e6:.0f} MB", target, private < PRIVATE_TARGET_BYTES)


def _share(subject: str, share: float) -> Figure:
    target = f"< {_percent(OTHER_SHARE_TARGET)}"
    return Figure(subject, f"{_percent(share)} of one core", target, share < OTHER_SHARE_TARGET)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def main() -> None:
    """Measure and print."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m asd_edge.benchmarks.cost", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45.0, help="how long to listen, each time (default: 45)")
    parser.add_argument("--microphone", metavar="NAME", help="listen to this microphone too")
    arguments = parser.parse_args()
    table = Table("", "measured", "target", "", box=None, pad_edge=False)
    verdicts = {None: "", True: "[green]met[/green]", False: "[red]missed[/red]"}
    told = Console(stderr=True)
    with told.status("measuring") as status:
        for figure in measure_cost(arguments.seconds, microphone=arguments.microphone):
            status.update(f"measuring; latest: {figure.subject}")
            table.add_row(figure.subject, figure.measured, figure.target, verdicts[figure.met])
    console = Console(highlight=False)
    console.print(describe_machine() + "\n")
    console.print(table)
    if arguments.microphone is None:
        console.print("\nNot included: the process that records from a microphone; add --microphone NAME.")


if __name__ == "__main__":
    main()
