"""What the runtime costs on this computer. Linux only.

Everything but the scorer is measured from outside, on fresh processes of the program. The measuring process itself
loads none of the program's libraries before it is through with them: the system would count their pages as shared.
"""

import logging
import multiprocessing
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.probes.process_start import Start, start_all
from asd_edge.benchmarks.probes.processes import ListenCost, listen_cost, wall_times
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.enrolment.settings import MOST_REFERENCES

HELP_TARGET_S = 0.3
FIRST_SCORE_TARGET_S = 1.5
MEMORY_TARGET_BYTES = 150e6
OTHER_SHARE_TARGET = 0.01
SCORE_TARGET_S = 0.003
HOP_S = 1.0
_SHORT_S = 20.0
"""The sound for the first score: ten seconds fill a window of the usual models."""
_ENDING_S = 10.0
"""A played file ends by itself; this much later it is ended."""
_TABLE_WIDTH = 100

log = logging.getLogger(__name__)


@settings
class RuntimeCostSettings:
    """How long to measure, and what to listen to."""

    seconds: Annotated[
        float,
        Setting(
            "How long to listen, each time, in seconds; the first windows do not count.", at_least=5.0, at_most=86_400.0
        ),
    ] = 45.0
    runs: Annotated[
        int,
        Setting(
            "How many processes to start where one is over at once. Those to a score are a third.",
            at_least=1,
            at_most=10000,
        ),
    ] = 15
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"
    references: Annotated[
        int, Setting("How many references one score compares with.", at_least=1, at_most=MOST_REFERENCES)
    ] = 10_000
    microphone: Annotated[
        str | None, Setting("The name of a microphone to listen to as well, with its recording process.")
    ] = None


@dataclass(frozen=True)
class Figure:
    """One thing that was measured."""

    subject: str
    measured: str
    target: str = ""
    met: bool | None = None
    """none where there is no target"""


def measure_cost(wanted: RuntimeCostSettings) -> Iterator[Figure]:
    """Measure what the runtime costs.

    Args:
        wanted: How long to measure.

    Yields:
        The figures, as they are measured.

    Raises:
        InputError: The microphone cannot be listened to.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bank, sound, short = folder / "bank.npz", folder / "sound.wav", folder / "short.wav"
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
            elsewhere.submit(_prepare, wanted.model, bank, {sound: wanted.seconds, short: _SHORT_S}).result()
        yield _times("asd-edge --help", wall_times(["--help"], wanted.runs), HELP_TARGET_S)
        listening = Start.of_listen(bank, short, wanted.model)
        start_all([listening], max(1, wanted.runs // 3))
        yield _times("start to first score", listening.took_s, FIRST_SCORE_TARGET_S)
        model = ["--model", wanted.model]
        played = [*model, "--input", str(sound), "--realtime"]
        longest_s = wanted.seconds + _ENDING_S
        yield from _listening(listen_cost(played, bank, HOP_S, longest_s, terminal=False))
        terminal = listen_cost(played, bank, HOP_S, longest_s, terminal=True)
        yield _share("listen: all else, terminal", terminal.other_share)
        if wanted.microphone is not None:
            heard = [*model, "--device", wanted.microphone]
            yield from _recording(listen_cost(heard, bank, HOP_S, wanted.seconds, terminal=False))
    yield from _scoring(wanted.references)


def _prepare(model: str, bank: Path, sounds: dict[Path, float]) -> None:
    from asd_edge.benchmarks.probes.sounds import machine_bank, write_stereo
    from asd_edge.runtime import Model

    machine_bank(bank, Model(model, provider="cpu"))
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


def _scoring(references: int) -> Iterator[Figure]:
    from asd_edge.benchmarks.studies.cost.peers.scoring import DIMENSIONS, score_times  # the libraries come in here

    (_, ours_s), *others = score_times(references, DIMENSIONS).items()
    target = f"< {1000 * SCORE_TARGET_S:g} ms"
    subject = f"a score, {references:,} x {DIMENSIONS}"
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


def runtime_cost(wanted: RuntimeCostSettings) -> None:
    """What `listen` and a score cost in time and memory, beside their targets."""
    from rich.table import Table
    from rich.text import Text

    from asd_edge.calibration.console import Console

    table = Table("", "measured", "target", "", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    verdicts = {None: Text(), True: Text("met", "green"), False: Text("missed", "red")}
    for figure in measure_cost(wanted):
        log.info("measured: %s", figure.subject)
        table.add_row(figure.subject, figure.measured, figure.target, verdicts[figure.met])
    console = Console()
    console.say(describe_host() + "\n")
    Console(width=_TABLE_WIDTH).print(table)
    if wanted.microphone is None:
        console.say("\nNot included: the process that records from a microphone; add --microphone NAME.")
