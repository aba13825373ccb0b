"""Energy, where the device tells it: NVML on desktop GPUs, the INA3221 of a Jetson's board, RAPL on x86 processors.

Each counts what it feeds, and idling is among it: a board's input, a processor's packages or a GPU.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asd_edge.benchmarks.probes.gpu import open_gpu

NOT_AVAILABLE = (
    "no energy counter of a GPU (NVML, pip install nvidia-ml-py), no INA3221 under /sys/class/hwmon, and no RAPL under "
    "/sys/class/powercap that this user may read"
)
_SYS = Path("/sys")
_SAMPLE_EVERY_S = 0.02
"""The time between two readings: the INA3221 of a Jetson averages over a few milliseconds."""
_WHOLE_BOARD = ("VDD_IN", "POM_5V_IN", "SYS_VIN_HV")
"""Rails that feed all others, by the names that boards give them."""


@dataclass(frozen=True)
class Energy:
    """The energy that a window takes while one follows the other."""

    joules_per_window: float
    source: str
    """what was counted"""


class Meter(Protocol):
    """Something that tells energy."""

    @property
    def source(self) -> str:
        """What is counted, in words."""
        ...

    def joules(self, run: Callable[[], object]) -> float:
        """What is taken while something runs."""
        ...


@dataclass(frozen=True)
class Counter:
    """A meter that counts joules."""

    source: str
    read: Callable[[], float]
    wraps_at: float | None = None
    """the count at which it begins again from 0"""

    def joules(self, run: Callable[[], object]) -> float:
        """See `Meter`."""
        before = self.read()
        run()
        took = self.read() - before
        return took + self.wraps_at if took < 0.0 and self.wraps_at else took


@dataclass(frozen=True)
class PowerMeter:
    """A meter that tells watts, which are read many times a second."""

    source: str
    watts: Callable[[], float]

    def joules(self, run: Callable[[], object]) -> float:
        """See `Meter`."""
        readings = [(time.perf_counter(), self.watts())]
        over = threading.Event()

        def sample() -> None:
            while not over.wait(_SAMPLE_EVERY_S):
                readings.append((time.perf_counter(), self.watts()))

        thread = threading.Thread(target=sample, name="power", daemon=True)
        thread.start()
        try:
            run()
        finally:
            over.set()
            thread.join()
        readings.append((time.perf_counter(), self.watts()))
        return sum(
            0.5 * (first + then) * (ends - begins) for (begins, first), (ends, then) in itertools.pairwise(readings)
        )


def find_meter(on_gpu: bool, sys: Path = _SYS) -> Meter | None:
    """What tells most of the energy that a window takes here, if there is anything.

    Args:
        on_gpu: Whether a GPU runs the model.
        sys: The sys file system.
    """
    gpu = open_gpu() if on_gpu else None
    if gpu is not None and gpu.joules() is not None:
        return Counter("GPU, by NVML", lambda: gpu.joules() or 0.0)
    return _board(sys) or _packages(sys)


def _board(sys: Path) -> PowerMeter | None:
    """The rail that feeds a whole Jetson, or all rails that are measured."""
    rails: dict[str, tuple[Path, Path]] = {}
    for chip in sorted(sys.glob("class/hwmon/hwmon*")):
        if _text(chip / "name") != "ina3221":
            continue
        for label in sorted(chip.glob("in[123]_label")):
            number = label.name[2]
            volts, amperes = chip / f"in{number}_input", chip / f"curr{number}_input"
            if volts.is_file() and amperes.is_file():
                rails[_text(label)] = volts, amperes
    chosen = [name for name in _WHOLE_BOARD if name in rails] or list(rails)
    if not chosen:
        return None

    def watts() -> float:  # the kernel tells mV and mA
        return sum(int(_text(volts)) * int(_text(amperes)) / 1e6 for volts, amperes in map(rails.__getitem__, chosen))

    return PowerMeter(f"{' + '.join(chosen)}, by INA3221", watts)


def _packages(sys: Path) -> Counter | None:
    """All packages of the processor; readable by root alone unless the administrator says otherwise."""
    zones = [zone for zone in sorted(sys.glob("class/powercap/intel-rapl:*")) if zone.name.count(":") == 1]
    packages = [zone for zone in zones if _text(zone / "name").startswith("package")]
    try:
        largest = sum(int((zone / "max_energy_range_uj").read_text()) for zone in packages)
        for zone in packages:
            (zone / "energy_uj").read_text()
    except OSError:
        return None
    if not packages:
        return None
    return Counter(
        f"{' + '.join(_text(zone / 'name') for zone in packages)}, by RAPL",
        lambda: sum(int((zone / "energy_uj").read_text()) for zone in packages) / 1e6,
        largest / 1e6 / len(packages),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
