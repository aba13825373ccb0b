"""Scenes for the drift watch: sound that is as it was, and then changes in one of four ways."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.audio.bandwidth import band_levels_db
from asd_edge.calibration.audio.windowing import read_windows
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.runtime import Model, SimulatedMachine

WINDOW = 10 * SAMPLE_RATE_HZ
"""The samples of a window."""
FAULTS_MINUTES = (10, 40)
"""How long the simulated bearing takes to go bad."""
STEADY_S, CHANGED_S = 3600.0, 3600.0
"""How long a scene is as it was, and how long it goes on after the change."""
_FAULT = "_anomaly_"
_TAPS = 257


@dataclass(frozen=True)
class Heard:
    """Windows as the model and the bands hear them."""

    embeddings: FloatArray
    """(windows, dim)"""
    levels_db: FloatArray
    """(windows, bands)"""

    def __len__(self) -> int:
        return len(self.embeddings)

    def then(self, other: Heard) -> Heard:
        """These windows and, after them, others."""
        return Heard(
            np.concatenate([self.embeddings, other.embeddings]), np.concatenate([self.levels_db, other.levels_db])
        )

    def at(self, rows: NDArray[np.intp]) -> Heard:
        """Some of the windows, in this order."""
        return Heard(self.embeddings[rows], self.levels_db[rows])


@dataclass(frozen=True)
class Scene:
    """Sound that changes."""

    what: str
    """what changes, in words"""
    kind: str
    """what the watch should call it"""
    heard: Heard
    """the windows before and after the change"""
    changes_at: int
    """the window at which it changes"""


def hear(model: Model, windows: NDArray[np.floating]) -> Heard:
    """Hear windows (windows, samples)."""
    sound = np.clip(windows, -1.0, 1.0).astype(np.float32)
    return Heard(
        np.stack([model.embed(each).embedding for each in sound]), np.stack([band_levels_db(each) for each in sound])
    )


def machine_sound(
    seed: int, day: int, duration_s: float, fault_begins_s: float = np.inf, fault_full_s: float = np.inf
) -> FloatArray:
    """The windows of a simulated machine, (windows, samples)."""
    machine = SimulatedMachine(duration_s, seed, day, fault_begins_s, fault_full_s)
    sound = np.concatenate([block.samples[:, 0] for block in machine.sound(threading.Event())])
    return sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW)


def simulated_scenes(model: Model, seed: int, steady: Heard) -> Iterator[Scene]:
    """What can happen to a simulated machine, each after an hour in which nothing does.

    Args:
        model: The model that hears.
        seed: Which machine it is.
        steady: Windows of the machine as it was enrolled.
    """
    count = int(STEADY_S / 10.0)
    before = steady.at(np.arange(count) % len(steady))
    rng = np.random.default_rng(seed)
    sound = machine_sound(seed, 2, CHANGED_S / 3.0)
    for what, kind, change in CHANGES:
        after = hear(model, change(sound.reshape(-1).astype(np.float64), rng).reshape(-1, WINDOW))
        rows = np.arange(int(CHANGED_S / 10.0)) % len(after)
        yield Scene(what, kind, before.then(after.at(rows)), count)
    for minutes in FAULTS_MINUTES:
        grows_s = 60.0 * minutes
        fault = hear(model, machine_sound(seed, 3, max(CHANGED_S, 1.5 * grows_s), 0.0, grows_s))
        yield Scene(f"bearing fault, full after {minutes} minutes", "fault_begins", before.then(fault), count)


def recorded_scenes(model: Model, folder: Path, rng: np.random.Generator) -> tuple[Heard, list[Scene]]:
    """What can happen to a recorded machine: half of its normal clips are enrolled, scenes are drawn from the others.

    Returns:
        What is enrolled, and the scenes.
    """
    files = sorted(each for each in folder.rglob("*") if each.suffix in (".wav", ".flac"))
    normal = [each for each in files if _FAULT not in each.name]
    faults = [each for each in files if _FAULT in each.name]
    samples = model.info.samples
    sounds = np.concatenate([read_windows(each, samples)[:1] for each in normal])[rng.permutation(len(normal))]
    half = len(sounds) // 2
    enrolled, others = hear(model, sounds[:half]), sounds[half:]
    steady = hear(model, others)
    count = int(STEADY_S / 10.0)

    def drawn(of: Heard) -> Heard:
        return of.at(rng.integers(0, len(of), count))

    before = drawn(steady)
    scenes = [
        Scene("nothing", "nothing", drawn(steady).then(drawn(steady)).then(drawn(steady)), 0),
        Scene("6 dB quieter", "moved", before.then(drawn(hear(model, 0.5 * others))), count),
        Scene(
            "another response and room", "moved", before.then(drawn(hear(model, _each(_elsewhere, others, rng)))), count
        ),
        Scene(
            "a pump that was not enrolled",
            "new_state",
            before.then(drawn(hear(model, _each(_pump, others, rng)))),
            count,
        ),
    ]
    if faults:
        broken = np.concatenate([read_windows(each, samples)[:1] for each in faults])
        share = np.linspace(0.0, 1.0, count)[:, None]
        normal_rows, fault_rows = rng.integers(0, len(others), count), rng.integers(0, len(broken), count)
        growing = hear(model, (1.0 - share) * others[normal_rows] + share * broken[fault_rows])
        scenes += [
            Scene("recorded fault that grows for an hour", "fault_begins", before.then(growing), count),
            Scene("recorded fault at once", "new_state", before.then(drawn(hear(model, broken))), count),
        ]
    return enrolled, scenes


def _gain(decibels: float) -> Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]:
    return lambda sound, _: sound * 10.0 ** (decibels / 20.0)


def _noisy_gain(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return 2.0 * sound + 0.003 * rng.standard_normal(len(sound))


def _elsewhere(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Another frequency response, which wanders by some decibels, and another room."""
    from scipy import signal

    wander = np.cumsum(1.5 * rng.standard_normal(25))
    response = 10.0 ** (np.clip(wander - wander.mean(), -9.0, 9.0) / 20.0)
    decay = 0.08 * SAMPLE_RATE_HZ
    room = rng.standard_normal(int(3 * decay)) * np.exp(-6.9 * np.arange(int(3 * decay)) / decay)
    room *= 0.4 / np.linalg.norm(room)
    room[0] += 1.0
    taps = np.convolve(signal.firwin2(_TAPS, np.linspace(0.0, 1.0, 25), response), room)
    return np.asarray(signal.fftconvolve(sound, taps)[: len(sound)])


def _farther(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return 0.4 * _elsewhere(sound, rng)


def _beside(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Another machine, as loud, beside this one."""
    other = machine_sound(int(rng.integers(1000, 2000)), 0, 120.0).reshape(-1)
    bright = np.append(0.0, np.diff(other))  # it is another kind of machine: brighter by 6 dB an octave
    bright *= sound.std() / bright.std()
    return sound + np.resize(bright, len(sound))


def _pump(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A pump that is switched on: tones and a band of noise."""
    from scipy import signal

    t = np.arange(len(sound)) / SAMPLE_RATE_HZ
    hz = rng.uniform(20.0, 60.0)
    tones = sum(np.sin(2.0 * np.pi * hz * n * t + rng.uniform(0.0, 6.0)) / n**0.5 for n in (3, 5, 8, 13))
    low = rng.uniform(0.05, 0.3)
    band = signal.sosfilt(signal.butter(2, [low, 1.5 * low], "band", output="sos"), rng.standard_normal(len(t)))
    level = sound.std()
    return np.asarray(sound + 0.2 * level * tones + 0.2 * level * band / band.std())


def _slower(sound: NDArray[np.float64], _: np.random.Generator) -> NDArray[np.float64]:
    """The whole machine a fifth slower."""
    from scipy import signal

    return np.asarray(signal.resample_poly(sound, 6, 5)[: len(sound)])


def _idle(sound: NDArray[np.float64], _: np.random.Generator) -> NDArray[np.float64]:
    """Without load: what lies between 200 and 1200 Hz falls by 10 dB."""
    from scipy import signal

    band = signal.sosfiltfilt(signal.butter(2, [0.025, 0.15], "band", output="sos"), sound)
    return np.asarray(sound - 0.68 * band)


def _each(
    change: Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]],
    windows: NDArray[np.floating],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Change windows, each in the same way."""
    seed = int(rng.integers(1 << 31))
    return np.stack([change(each.astype(np.float64), np.random.default_rng(seed)) for each in windows])


CHANGES = (
    ("6 dB louder", "moved", _gain(6.0)),
    ("6 dB quieter", "moved", _gain(-6.0)),
    ("6 dB louder with more noise", "moved", _noisy_gain),
    ("another response and room", "moved", _elsewhere),
    ("the same, farther away", "moved", _farther),
    ("another machine beside it", "moved", _beside),
    ("a pump that was not enrolled", "new_state", _pump),
    ("a fifth slower", "new_state", _slower),
    ("without load", "new_state", _idle),
)
"""What happens at once: in words, what the watch should call it, and what becomes of the sound."""
