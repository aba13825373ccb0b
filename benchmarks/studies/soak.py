"""A day of sound through `listen`, to see that memory stays what it was."""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asd_edge.benchmarks.probes.host import describe_machine
from asd_edge.benchmarks.probes.processes import read_memory
from asd_edge.benchmarks.probes.sounds import machine_bank, machine_sound
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.runtime import Block, ListenSettings, Machine, Model, Score, Source, listen

SETTLED_S = 600.0
"""By then every buffer has its size and every code path has been taken."""
GROWTH_TARGET = 1.05
_REPEAT_S = 300.0
_REPORT_EVERY_S = 4 * 3600.0


@dataclass(frozen=True)
class Endless(Source):
    """A source that repeats the same sound, so that computing it is not what is measured."""

    samples: FloatArray
    """(frames,)"""
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
class DayReport:
    """How memory went."""

    hours: float
    """of sound"""
    windows: int
    took_s: float
    resident: tuple[tuple[float, int], ...]
    """seconds of sound heard and resident bytes then: after ten minutes, every four hours and at the end"""

    @property
    def growth(self) -> float:
        """Resident memory at the end over that after ten minutes."""
        return self.resident[-1][1] / self.resident[0][1]


def run_day(
    hours: float = 24.0,
    hop_s: float = 10.0,
    rate_hz: int = SAMPLE_RATE_HZ,
    tell: Callable[[float, int], None] | None = None,
) -> DayReport:
    """Listen to a simulated machine as fast as it goes.

    Args:
        hours: Of sound, more than ten minutes.
        hop_s: Seconds between windows.
        rate_hz: Of the sound; another than 16 kHz makes resampling part of it.
        tell: Called with seconds of sound and resident bytes, as they are read.

    Raises:
        InputError: The model cannot be loaded.
    """
    model = Model(provider="cpu")
    with tempfile.TemporaryDirectory() as folder:
        bank = machine_bank(Path(folder) / "bank.npz", model)
    source = Endless(machine_sound(_REPEAT_S, rate_hz), rate_hz, 3600.0 * hours)
    resident: list[tuple[float, int]] = []

    def look(at_s: float) -> None:
        resident.append((at_s, read_memory(os.getpid()).resident))
        if tell is not None:
            tell(*resident[-1])

    began = time.monotonic()
    windows = 0
    due_s = SETTLED_S
    for item in listen([Machine(source, model, bank, ListenSettings(hop_s=hop_s))]):
        windows += isinstance(item, Score)
        heard_s = item.start_s + model.info.window_s
        if heard_s >= due_s:
            look(heard_s)
            due_s = min(_REPORT_EVERY_S * (heard_s // _REPORT_EVERY_S + 1), source.duration_s)
    return DayReport(hours, windows, time.monotonic() - began, tuple(resident))


def main() -> None:
    """Run a day and print."""
    parser = argparse.ArgumentParser(prog="python -m asd_edge.benchmarks.studies.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="of sound (default: 24)")
    parser.add_argument("--hop", type=float, default=10.0, help="seconds between windows (default: 10)")
    parser.add_argument("--rate", type=int, default=SAMPLE_RATE_HZ, help="of the sound, in Hz (default: 16000)")
    arguments = parser.parse_args()
    print(describe_machine() + "\n")

    def tell(heard_s: float, resident: int) -> None:
        print(f"after {heard_s / 3600.0:5.2f} h of sound: {resident / 1e6:.1f} MB resident", flush=True)

    report = run_day(arguments.hours, arguments.hop, arguments.rate, tell)
    verdict = "met" if report.growth <= GROWTH_TARGET else "missed"
    print(f"\n{report.windows} windows in {report.took_s:.0f} s")
    print(f"growth {report.growth:.3f} (target at most {GROWTH_TARGET:g}: {verdict})")


if __name__ == "__main__":
    main()
