"""A day of sound through `listen`, to see that memory stays what it was."""

import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.probes.processes import read_memory
from asd_edge.benchmarks.probes.sounds import machine_bank, machine_sound
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.settings import Setting, settings
from asd_edge.calibration.wording import counted
from asd_edge.runtime import Block, ListenSettings, Machine, Model, Score, Source, listen

SETTLED_S = 600.0
"""After so many seconds every buffer has its size and every path through the code has been taken."""
GROWTH_TARGET = 1.05
"""The memory at the end may be at most so many times that after `SETTLED_S`."""
_REPEAT_S = 300.0
"""The sound begins again after this time: long enough that no two windows in a row are alike, and quickly made."""
_LOOK_EVERY_S = 4 * 3600.0

log = logging.getLogger(__name__)


@settings
class SoakSettings:
    """What `listen` hears, and for how long."""

    hours: Annotated[float, Setting("The hours of sound to hear.", above=SETTLED_S / 3600.0, at_most=87_600.0)] = 24.0
    hop_s: Annotated[float, Setting("The time from one window to the next in seconds.", above=0.0, at_most=3600.0)] = (
        10.0
    )
    rate_hz: Annotated[
        int,
        Setting(
            "The sample rate of the sound in Hz. Other sound than 16000 is resampled.",
            "--rate",
            at_least=8000,
            at_most=1_000_000,
        ),
    ] = SAMPLE_RATE_HZ
    model: Annotated[str, Setting("An .onnx file, or 'logmel' for the model inside the package.")] = "logmel"


@dataclass(frozen=True)
class Endless(Source):
    """A source that repeats the same sound, so that computing the sound is not what is measured."""

    samples: FloatArray
    """the sound, ``(frames,)``"""
    rate_hz: int
    duration_s: float
    name: str = "repeated sound"

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        """Give the sound second by second, as one recording; see `Source`."""
        recording = Recording(self.name, self.name)
        seconds = int(self.duration_s)
        repeats_after = len(self.samples) // self.rate_hz
        for index in range(seconds):
            if stop.is_set():
                return
            start = index % repeats_after * self.rate_hz
            samples = self.samples[start : start + self.rate_hz, None]
            yield Block(samples, self.rate_hz, recording, float(index), last=index == seconds - 1)


@dataclass(frozen=True)
class SoakReport:
    """How much memory was taken while sound was heard."""

    hours: float
    """the hours of sound"""
    windows: int
    took_s: float
    resident: tuple[tuple[float, int], ...]
    """seconds of sound heard and the resident bytes then: after ten minutes, every four hours and at the end"""

    @property
    def growth(self) -> float:
        """The resident memory at the end over that after ten minutes."""
        return self.resident[-1][1] / self.resident[0][1]


def hear(wanted: SoakSettings) -> SoakReport:
    """Listen to a simulated machine as fast as this computer can, and look at the memory of this process.

    Args:
        wanted: What to hear.

    Raises:
        InputError: The model cannot be loaded.
    """
    model = Model(wanted.model, provider="cpu")
    with tempfile.TemporaryDirectory() as folder:
        bank = machine_bank(Path(folder) / "bank.npz", model)
    source = Endless(machine_sound(_REPEAT_S, wanted.rate_hz), wanted.rate_hz, 3600.0 * wanted.hours)
    resident: list[tuple[float, int]] = []
    began = time.monotonic()
    windows = 0
    due_s = SETTLED_S
    for item in listen([Machine(source, model, bank, ListenSettings(hop_s=wanted.hop_s))]):
        windows += isinstance(item, Score)
        heard_s = item.start_s + model.info.window_s
        # The last window ends before the sound does, where hops do not fill it.
        at_the_end = heard_s + wanted.hop_s > source.duration_s
        if heard_s >= due_s or (at_the_end and isinstance(item, Score)):
            resident.append((heard_s, read_memory(os.getpid()).resident))
            log.info("heard %.2f h of sound: %.1f MB resident", heard_s / 3600.0, resident[-1][1] / 1e6)
            due_s = _LOOK_EVERY_S * (heard_s // _LOOK_EVERY_S + 1)
    return SoakReport(wanted.hours, windows, time.monotonic() - began, tuple(resident))


def soak(wanted: SoakSettings) -> None:
    """Whether the memory of `listen` stays what it was while it hears a day of sound."""
    report = hear(wanted)
    say(describe_host())
    print_table(
        ("hours of sound heard", "resident MB"),
        ((f"{heard_s / 3600.0:.2f}", f"{resident / 1e6:.1f}") for heard_s, resident in report.resident),
    )
    verdict = "met" if report.growth <= GROWTH_TARGET else "missed"
    say(f"\n{counted(report.windows, 'window')} in {report.took_s:.0f} s")
    say(f"growth {report.growth:.3f} (target at most {GROWTH_TARGET:g}: {verdict})")
