"""A simulated machine: a motor with a bearing in a room, whose bearing can go bad."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import Recording
from asd_edge.runtime.sources.source import Block, Source, SourceRequest, paced

MAINS_HZ = 50.0
SHAFT_HZ = 24.6
"""The frequency of the shaft: a two-pole-pair motor under load slips a little behind 25 revolutions a second."""
OUTER_RACE_DEFECTS_PER_TURN = 3.58
"""How often balls pass a defect of the outer race: typical of a small deep-groove bearing with nine balls."""
HOUSING_HZ = 3400.0
"""The resonance that each of those knocks excites."""
_HARMONICS = 12
"""The harmonics of twice the mains frequency, at which a motor hums."""
_BLOCK_S = 1.0


@dataclass(frozen=True)
class SimulatedMachine(Source):
    """A source whose sound is computed, the same for the same arguments.

    The machine hums with harmonics that follow a changing load, its bearing makes noise that the shaft modulates, and
    the room adds noise of its own. A fault of the bearing's outer race grows from nothing to full between two moments.
    """

    duration_s: float = math.inf
    seed: int = 0
    """which machine it is"""
    day: int = 0
    """which day it is: the same machine has other noise and another course of load on another day"""
    fault_begins_s: float = math.inf
    fault_full_s: float = math.inf
    name: str = "simulated machine"
    live: bool = False
    """whether the sound comes at the pace of a real machine, instead of as fast as it is taken"""

    @classmethod
    def open(cls, request: SourceRequest) -> SimulatedMachine:
        """Open an address such as ``simulated:seed=3,day=1,fault_begins=600,fault_full=1800``; times are in seconds."""
        wanted = request.values(seed=0, day=0, duration=math.inf, fault_begins=math.inf, fault_full=math.inf)
        return cls(
            duration_s=wanted["duration"],
            seed=int(wanted["seed"]),
            day=int(wanted["day"]),
            fault_begins_s=wanted["fault_begins"],
            fault_full_s=wanted["fault_full"],
            live=request.realtime,
        )

    def fault(self, at_s: float) -> float:
        """How far the fault has grown at a moment, from 0 to 1."""
        if at_s <= self.fault_begins_s:
            return 0.0
        if at_s >= self.fault_full_s:
            return 1.0
        return (at_s - self.fault_begins_s) / (self.fault_full_s - self.fault_begins_s)

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        """Give the sound second by second; see `Source`."""
        blocks = self._blocks()
        for block in paced(blocks, stop) if self.live else blocks:
            if stop.is_set():
                return
            yield block

    def _blocks(self) -> Iterator[Block]:
        machine = _Machine(self.seed, self.day)
        recording = Recording(f"simulated-{self.seed}-{self.day}", self.name)
        seconds = None if math.isinf(self.duration_s) else round(self.duration_s / _BLOCK_S)
        for index in itertools.count() if seconds is None else range(seconds):
            start_s = index * _BLOCK_S
            samples = machine.run(start_s, self.fault(start_s))
            yield Block(samples[:, None], SAMPLE_RATE_HZ, recording, start_s, last=index + 1 == seconds)


class _Machine:
    """The part of the machine that goes on from one second to the next: phases, filters and the load."""

    def __init__(self, seed: int, day: int) -> None:
        from scipy import signal  # only the demo needs it

        self._rng = np.random.default_rng((seed, day))
        self._sosfilt = signal.sosfilt
        nyquist = SAMPLE_RATE_HZ / 2.0
        bands = {
            "bearing": signal.butter(2, [900.0 / nyquist, 4200.0 / nyquist], "band", output="sos"),
            "room": signal.butter(1, 300.0 / nyquist, output="sos"),
            "housing": signal.butter(
                1, [0.94 * HOUSING_HZ / nyquist, 1.06 * HOUSING_HZ / nyquist], "band", output="sos"
            ),
        }
        self._filters = bands
        self._states = {name: np.zeros((len(sos), 2)) for name, sos in bands.items()}
        self._shaft_turns = 0.0
        self._knocks = 0.0
        self._load_wander = self._mains_wander = 0.0
        self._mains_turns = self._rng.uniform()
        self._load_phase = self._rng.uniform(0.0, 2.0 * np.pi)
        machine = np.random.default_rng(seed)
        self._harmonics = machine.uniform(0.5, 1.5, _HARMONICS) / np.arange(1, _HARMONICS + 1) ** 1.2
        self._phases = machine.uniform(0.0, 2.0 * np.pi, _HARMONICS)

    def run(self, start_s: float, fault: float) -> FloatArray:
        """Compute one second of sound: (frames,)."""
        count = round(_BLOCK_S * SAMPLE_RATE_HZ)
        t = start_s + np.arange(count) / SAMPLE_RATE_HZ
        self._load_wander = 0.98 * self._load_wander + 0.05 * self._rng.standard_normal()
        slow = np.sin(2.0 * np.pi * t / 170.0 + self._load_phase)
        load = np.clip(0.6 + 0.25 * slow + 0.1 * self._load_wander, 0.1, 1.0)

        speed_hz = SHAFT_HZ - 0.5 * load
        turns = self._shaft_turns + np.cumsum(speed_hz) / SAMPLE_RATE_HZ
        self._shaft_turns = float(turns[-1])
        shaft = 1.0 + 0.35 * np.sin(2.0 * np.pi * turns)

        self._mains_wander = 0.99 * self._mains_wander + 0.005 * self._rng.standard_normal()
        mains = self._mains_turns + (MAINS_HZ + self._mains_wander) * np.arange(1, count + 1) / SAMPLE_RATE_HZ
        self._mains_turns = float(mains[-1]) % 1.0
        angles = 4.0 * np.pi * np.outer(np.arange(1, _HARMONICS + 1), mains) + self._phases[:, None]
        hum = (0.03 + 0.05 * load) * (self._harmonics @ np.sin(angles))
        bearing = 0.05 * (0.7 + 0.3 * load) * shaft * self._filtered("bearing", self._rng.standard_normal(count))
        room = 0.06 * self._filtered("room", self._rng.standard_normal(count))
        hiss = 0.002 * self._rng.standard_normal(count)
        return np.asarray(hum + bearing + room + hiss + 0.9 * fault * self._knocking(turns, load), np.float32)

    def _knocking(self, turns: NDArray[np.float64], load: NDArray[np.float64]) -> NDArray[np.float64]:
        """The housing knocks each time a ball passes the defect, harder under load, and never quite regular."""
        passes = OUTER_RACE_DEFECTS_PER_TURN * turns
        strikes = np.flatnonzero(np.diff(np.floor(passes), prepend=self._knocks) >= 1.0)
        self._knocks = float(np.floor(passes[-1]))
        impulses = np.zeros(len(turns))
        impulses[strikes] = load[strikes] * self._rng.uniform(0.6, 1.4, len(strikes))
        return self._filtered("housing", impulses)

    def _filtered(self, name: str, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        filtered, self._states[name] = self._sosfilt(self._filters[name], samples, zi=self._states[name])
        return np.asarray(filtered)
