"""How many microphones one process serves. Linux only.

Ever more simulated microphones are listened to at once, each number in a fresh process: sound of 48 kHz in stereo
comes at its own pace, and goes through resampling, the model that all share, a bank for each and the sharing out of
turns. It ends with the first number that is too many.
"""

import itertools
import multiprocessing
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from asd_edge.benchmarks.drawing import new_figure, save_figure
from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.probes.processes import Memory, read_memory
from asd_edge.benchmarks.probes.sounds import MICROPHONE_RATE_HZ, machine_bank, machine_sound
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime import Block, ListenSettings, Machine, Model, Score, Source, listen, load_bank
from asd_edge.runtime.inference.model_settings import MAX_THREADS
from asd_edge.runtime.sources.capture.portaudio_process import BLOCK_S

TOO_MANY = 0.05
"""Where a larger share of the windows is skipped, there are too many microphones."""
_SETTLING_S = 3.0
"""The first windows still load code and fill buffers."""
_REPEAT_S = 60.0


@settings
class MicrophonesSettings:
    """Which models hear how many microphones."""

    models: Annotated[
        tuple[str, ...],
        Setting("An .onnx file, or 'logmel' for the model inside the package; the option can be repeated.", "--model"),
    ] = ("logmel",)
    hop_s: Annotated[
        float, Setting("The time from one window of a microphone to the next in seconds.", above=0.0, at_most=3600.0)
    ] = 1.0
    seconds: Annotated[
        float, Setting("How long to listen with each number of microphones.", above=0.0, at_most=3600.0)
    ] = 10.0
    threads: Annotated[
        int,
        Setting(
            "The model's threads on the processor; 0 takes one for each physical core.", at_least=0, at_most=MAX_THREADS
        ),
    ] = 0
    most: Annotated[int, Setting("The most microphones to try.", at_least=1, at_most=100000)] = 1024
    output: Annotated[Path | None, Setting("The folder for the curves, microphones.svg.")] = None


@dataclass(frozen=True)
class SimulatedMicrophone(Source):
    """Sound that repeats, at its own pace, as the recording process gives it."""

    samples: FloatArray
    """the sound, ``(frames, channels)`` at `MICROPHONE_RATE_HZ`"""
    name: str
    ahead_s: float = 0.0
    """the seconds of sound that are there at the start, so that the first window need not be waited for"""
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
    """the windows of all together that were scored in a second"""
    skipped: float
    """the share of the windows that were not scored"""
    least_served: float
    """the share of its windows that were scored, of the microphone with the fewest"""
    most_served: float
    """the same, of the microphone with the most"""
    cores: float
    """the processor time of the process over the time that went by"""
    memory: Memory


def prepare(folder: Path, model: str) -> tuple[Path, Path]:
    """Write what `serve` needs.

    Args:
        folder: Where to write.
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
        hop_s: The time from one window of a microphone to the next in seconds.
        seconds: How long to listen after the first windows.
        threads: How many threads of the processor the model has.

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


def serve_more_and_more(model: str, wanted: MicrophonesSettings) -> Iterator[Served]:
    """Listen to 1, 2, 4, ... microphones until more than `TOO_MANY` windows are skipped.

    Args:
        model: What `Model` takes.
        wanted: How long to listen, and how many microphones there are at most.

    Raises:
        InputError: The model cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        bank, sound = _elsewhere(prepare, Path(folder), model)
        count = 1
        while count <= wanted.most:
            served: Served = _elsewhere(serve, count, bank, sound, model, wanted.hop_s, wanted.seconds, wanted.threads)
            yield served
            if served.skipped > TOO_MANY:
                return
            count *= 2


def _elsewhere(function: Any, *arguments: object) -> Any:
    """Call a function in a fresh process, whose memory nothing else has filled."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
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


def microphones(wanted: MicrophonesSettings) -> None:
    """How many microphones one process serves."""
    say(f"{describe_host()}\na window every {wanted.hop_s:g} s from each microphone")
    found: dict[str, list[Served]] = {}
    heads = ("microphones", "windows a second", "skipped", "least, most served", "cores", "resident MB", "in no file")
    for model in wanted.models:
        say(f"\n{model}")
        kept = found.setdefault(Path(model).stem, [])
        print_table(heads, _rows(serve_more_and_more(model, wanted), kept))
    say("\nNot included: the processes that record, one for each microphone; see the study runtime-cost.")
    if wanted.output is not None:
        draw(found, wanted.output / "microphones.svg")


def _rows(served: Iterator[Served], kept: list[Served]) -> Iterator[tuple[str, ...]]:
    """The cells of each number of microphones, which is kept, too."""
    for each in served:
        kept.append(each)
        yield (
            f"{each.microphones}",
            f"{each.windows_per_s:.1f}",
            f"{100 * each.skipped:.0f} %",
            f"{100 * each.least_served:.0f} %, {100 * each.most_served:.0f} %",
            f"{each.cores:.2f}",
            f"{each.memory.resident / 1e6:.0f}",
            f"{each.memory.anonymous / 1e6:.0f}",
        )
