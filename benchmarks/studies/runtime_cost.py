"""What the runtime costs on this machine: ``python -m asd_edge.benchmarks.studies.runtime_cost``. Linux only.

Everything but the scorer is measured from outside, on fresh processes of the program. The measuring process itself
loads none of the program's libraries before it is through with them: the system would count their pages as shared.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.probes.processes import ListenCost, first_score_times, listen_cost, wall_times
from asd_edge.calibration.errors import InputError

HELP_TARGET_S = 0.3
FIRST_SCORE_TARGET_S = 1.5
MEMORY_TARGET_BYTES = 150e6
OTHER_SHARE_TARGET = 0.01
SCORE_TARGET_S = 0.003
HOP_S = 1.0
_SHORTEST_S = 20.0
"""Ten seconds fill the first window; the rest gives enough of them to divide by."""
_ENDING_S = 10.0
"""A played file ends by itself; this much later it is ended."""
_TABLE_WIDTH = 100


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

    Raises:
        InputError: The microphone cannot be listened to.
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
        yield _share("listen: all else, terminal", terminal.other_share)
        if microphone is not None:
            yield from _recording(listen_cost(["--device", microphone], bank, HOP_S, seconds, terminal=False))
    yield from _scoring()


def _prepare(bank: Path, sounds: dict[Path, float]) -> None:
    from asd_edge.benchmarks.probes.sounds import machine_bank, write_stereo
    from asd_edge.runtime import Model

    machine_bank(bank, Model(provider="cpu"))
    for path, duration_s in sounds.items():
        write_stereo(path, duration_s)


def _times(subject: str, times_s: list[float], target_s: float) -> Figure:
    median = statistics.median(times_s)
    measured = f"{median:.3f} s, the best of {len(times_s)} {min(times_s):.3f} s"
    return Figure(subject, measured, f"< {target_s:g} s", median < target_s)


def _listening(cost: ListenCost) -> Iterator[Figure]:
    memory = cost.memory
    yield Figure("listen: resident memory", f"{_megabytes(memory.resident)}, peak {_megabytes(memory.peak)}")
    yield _memory("listen: private memory", memory.private)
    yield Figure("listen: the model", f"{_percent(cost.model_share)} of a core, {1000 * cost.model_s:.1f} ms a window")
    yield _share("listen: all else, JSON lines", cost.other_share)


def _recording(cost: ListenCost) -> Iterator[Figure]:
    if cost.recorder_memory is None:
        return
    both = cost.memory.proportional + cost.recorder_memory.proportional
    yield _memory("microphone: memory, both processes", both)
    yield Figure("microphone: of that, recording", _megabytes(cost.recorder_memory.proportional))
    yield _share("microphone: all else, both", cost.other_share + cost.recorder_share)
    yield Figure("microphone: of that, recording", f"{_percent(cost.recorder_share)} of a core")


def _scoring() -> Iterator[Figure]:
    from asd_edge.benchmarks.studies.peers.scoring import (  # the libraries come in here
        DIMENSIONS,
        REFERENCES,
        score_times,
    )

    (_, ours_s), *others = score_times().items()
    target = f"< {1000 * SCORE_TARGET_S:g} ms"
    subject = f"a score, {REFERENCES:,} x {DIMENSIONS}"
    yield Figure(subject, f"{1000 * ours_s:.2f} ms", target, ours_s < SCORE_TARGET_S)
    for other, other_s in others:
        yield Figure(f"the same, {other}", f"{1000 * other_s:.1f} ms")


def _memory(subject: str, size: int) -> Figure:
    return Figure(subject, _megabytes(size), f"< {_megabytes(MEMORY_TARGET_BYTES)}", size < MEMORY_TARGET_BYTES)


def _share(subject: str, share: float) -> Figure:
    target = f"< {_percent(OTHER_SHARE_TARGET)}"
    return Figure(subject, f"{_percent(share)} of a core", target, share < OTHER_SHARE_TARGET)


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def main() -> None:
    """Measure and print."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m asd_edge.benchmarks.studies.runtime_cost", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45.0, help="how long to listen, each time (default: 45)")
    parser.add_argument("--microphone", metavar="NAME", help="listen to this microphone too")
    arguments = parser.parse_args()
    table = Table("", "measured", "target", "", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    verdicts = {None: "", True: "[green]met[/green]", False: "[red]missed[/red]"}
    with Console(stderr=True).status("measuring") as status:
        try:
            for figure in measure_cost(arguments.seconds, microphone=arguments.microphone):
                status.update(f"measuring; latest: {figure.subject}")
                table.add_row(figure.subject, figure.measured, figure.target, verdicts[figure.met])
        except InputError as error:
            sys.exit(str(error))
    console = Console(highlight=False, width=_TABLE_WIDTH)
    console.print(describe_machine() + "\n", soft_wrap=True)
    console.print(table)
    if arguments.microphone is None:
        console.print("\nNot included: the process that records from a microphone; add --microphone NAME.")


if __name__ == "__main__":
    main()
