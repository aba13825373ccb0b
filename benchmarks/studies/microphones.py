"""How many microphones one process serves: ``python -m asd_edge.benchmarks.studies.microphones``. Linux only.

Ever more simulated microphones are listened to at once, each number in a fresh process: sound of 48 kHz in stereo
comes at its own pace, and goes through resampling, the model that all share, a bank for each and the sharing out of
turns. It ends with the first number that is too many.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import multiprocessing
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.benchmarks.probes.figures import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.probes.processes import Memory, read_memory
from asd_edge.benchmarks.probes.sounds import MICROPHONE_RATE_HZ, machine_bank, machine_sound
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.runtime import Block, ListenSettings, Machine, Model, Score, Source, listen, load_bank
from asd_edge.runtime.sources.portaudio_process import BLOCK_S

TOO_MANY = 0.05
"""Share of windows that are skipped from which on there are too many microphones."""
_SETTLING_S = 3.0
"""The first windows still load code and fill buffers."""
_REPEAT_S = 60.0


@dataclass(frozen=True)
class SimulatedMicrophone(Source):
    """Sound that repeats, at its own pace, as the recording process gives it."""

    samples: FloatArray
    """(frames, channels) at `MICROPHONE_RATE_HZ`"""
    name: str
    ahead_s: float = 0.0
    """of sound that is there at the start, so that the first window need not be waited for"""
    live: bool = True

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        """Give a block whenever it would have been recorded; see `Source`."""
        recording = Recording(self.name, self.name)
        frames = round(BLOCK_S * MICROPHONE_RATE_HZ)
        began = time.monotonic() - self.ahead_s
        for index in itertools.count():
            start_s = index * BLOCK_S
            if stop.wait(max(0.0, began + start_s + BLOCK_S - time.monotonic())):
                return
            start = index * frames % (len(self.samples) - frames + 1)
            yield Block(self.samples[start : start + frames], MICROPHONE_RATE_HZ, recording, start_s)


@dataclass(frozen=True)
class Served:
    """What became of the windows of so many microphones."""

    microphones: int
    windows_per_s: float
    """that were scored, of all together"""
    skipped: float
    """share of the windows that came"""
    least_served: float
    """share of its windows that were scored, of the microphone with the fewest"""
    most_served: float
    cores: float
    """processor time of the process over the time that went by"""
    memory: Memory


def prepare(folder: Path, model: str) -> tuple[Path, Path]:
    """Write what `serve` needs.

    Args:
        folder: Where.
        model: What `Model` takes.

    Returns:
        The bank, and sound as `SimulatedMicrophone` takes it, to be mapped into memory.

    Raises:
        InputError: The model cannot be used.
    """
    bank, sound = folder / "bank.npz", folder / "sound.npy"
    machine_bank(bank, Model(model, "cpu", cache=True))
    mono = machine_sound(_REPEAT_S, MICROPHONE_RATE_HZ)
    np.save(sound, np.stack([mono, 0.5 * mono], axis=1))
    return bank, sound


def serve(
    microphones: int, bank: Path, sound: Path, model: str, hop_s: float = 1.0, seconds: float = 10.0, threads: int = 0
) -> Served:
    """Listen to so many at once.

    Args:
        microphones: How many.
        bank: A bank of the model; each has it loaded for itself.
        sound: What they hear, see `prepare`.
        model: What `Model` takes.
        hop_s: Seconds between the windows of one.
        seconds: How long, after the first windows.
        threads: Of the model.

    Raises:
        InputError: The model or the bank cannot be used.
    """
    samples = np.load(sound, mmap_mode="r")
    shared = Model(model, "cpu", threads, cache=True)
    # Their windows end at moments that are spread over a hop, as those of microphones that were not started at once.
    sources = [
        SimulatedMicrophone(samples, f"microphone {index}", shared.info.window_s + hop_s * index / microphones)
        for index in range(microphones)
    ]
    settings = ListenSettings(hop_s, percentile=90.0)
    machines = [Machine(source, shared, load_bank(bank), settings, source.name) for source in sources]
    stop = threading.Event()
    threading.Timer(_SETTLING_S + seconds, stop.set).start()
    begins = time.monotonic() + _SETTLING_S
    before_s = 0.0
    scored, skipped = Counter[str](), Counter[str]()
    for item in listen(machines, stop):
        if time.monotonic() < begins:
            before_s = time.process_time()
        elif isinstance(item, Score):
            scored[item.machine] += 1
        elif item.event == "skipped":
            skipped[item.machine] += item.count or 0
    took_s, cores_s = time.monotonic() - begins, time.process_time() - before_s
    shares = [scored[each.name] / max(1, scored[each.name] + skipped[each.name]) for each in sources]
    came = scored.total() + skipped.total()
    return Served(
        microphones=microphones,
        windows_per_s=scored.total() / took_s,
        skipped=skipped.total() / max(1, came),
        least_served=min(shares),
        most_served=max(shares),
        cores=cores_s / took_s,
        memory=read_memory(os.getpid()),
    )


def serve_more_and_more(
    model: str, hop_s: float, seconds: float = 10.0, threads: int = 0, most: int = 1024
) -> Iterator[Served]:
    """Listen to 1, 2, 4, ... microphones until more than `TOO_MANY` windows are skipped.

    Args:
        model: What `Model` takes.
        hop_s: Seconds between the windows of one.
        seconds: How long with each number.
        threads: Of the model.
        most: Not more than so many microphones.

    Raises:
        InputError: The model cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        bank, sound = _elsewhere(prepare, Path(folder), model)
        count = 1
        while count <= most:
            served: Served = _elsewhere(serve, count, bank, sound, model, hop_s, seconds, threads)
            yield served
            if served.skipped > TOO_MANY:
                return
            count *= 2


def _elsewhere(function: Any, *arguments: object) -> Any:
    """Call a function in a fresh process, whose memory nothing else has filled."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
        return elsewhere.submit(function, *arguments).result()


def draw(found: Mapping[str, Sequence[Served]], path: Path) -> None:
    """Write how many windows are scored by how many microphones there are, a curve for each model, as SVG."""
    figure = new_figure(9.0, 3.6)
    windows, memory = figure.subplots(1, 2)
    for model, served in found.items():
        counts = [each.microphones for each in served]
        windows.loglog(counts, [each.windows_per_s for each in served], marker=".", label=model)
        memory.loglog(counts, [each.memory.resident / 1e6 for each in served], marker=".", label=model)
    windows.set(xlabel="microphones at once", ylabel="windows scored a second")
    memory.set(xlabel="microphones at once", ylabel="resident memory, MB")
    save_figure(figure, path)


def main() -> None:
    """Measure, print a table for each model and draw the curves."""
    parser = argparse.ArgumentParser(prog="python -m asd_edge.benchmarks.studies.microphones", description=__doc__)
    parser.add_argument(
        "--model", action="append", help="an .onnx file, repeatable (default: logmel, the model inside the package)"
    )
    parser.add_argument("--hop", type=float, default=1.0, help="seconds between windows of one (default: 1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="with each number of microphones (default: 10)")
    parser.add_argument("--threads", type=int, default=0, help="of the model (default: one per physical core)")
    parser.add_argument("--most", type=int, default=1024, help="microphones at most (default: 1024)")
    parser.add_argument("--output", type=Path, help="folder for the curves, microphones.svg")
    arguments = parser.parse_args()
    print(f"{describe_machine()}\na window every {arguments.hop:g} s from each microphone")
    found: dict[str, list[Served]] = {}
    for model in arguments.model or ["logmel"]:
        print(f"\n{model}\n")
        print("| microphones | windows a second | skipped | least, most served | cores | resident MB | in no file |")
        print("|--:|--:|--:|--:|--:|--:|--:|")
        kept = found.setdefault(Path(model).stem, [])
        for served in serve_more_and_more(model, arguments.hop, arguments.seconds, arguments.threads, arguments.most):
            kept.append(served)
            cells = [
                f"{served.microphones}",
                f"{served.windows_per_s:.1f}",
                f"{100 * served.skipped:.0f} %",
                f"{100 * served.least_served:.0f} %, {100 * served.most_served:.0f} %",
                f"{served.cores:.2f}",
                f"{served.memory.resident / 1e6:.0f}",
                f"{served.memory.anonymous / 1e6:.0f}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
    print("\nNot included: the processes that record, one for each microphone; see the study runtime_cost.")
    if arguments.output:
        draw(found, arguments.output / "microphones.svg")


if __name__ == "__main__":
    main()
