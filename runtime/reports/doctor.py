"""The doctor: whether this computer is ready to listen, what was found, and what to do about it."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from asd_edge.calibration.errors import InputError, in_one_line
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.inference.device_cache import DeviceCache
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL
from asd_edge.runtime.inference.placement import products_of
from asd_edge.runtime.inference.providers import available_providers
from asd_edge.runtime.reports.microphone_check import MicrophoneCheck, check_microphone
from asd_edge.runtime.sources.capture.alsa_status import held_microphones
from asd_edge.runtime.sources.microphone import list_microphones

_TIMED_RUNS = 5
"""So many runs after the first, whose median a single disturbance does not change."""
_LOW_DISK_BYTES = 500e6
"""Ten minutes of kept sound (20 MB at 16 kHz) and a few banks fit into that many times, beside what else is written."""

Verdict = Literal["ok", "look", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at, such as ``microphone`` or ``provider cpu``.
        verdict: ``ok``; ``look`` where it works but could be better; ``problem`` where listening will not work.
        found: What was found, in words.
        advice: What to do about it; empty where there is nothing to do.
    """

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


@checked
def examine(model: str | Path = DEFAULT_MODEL, folder: Path | None = None) -> Iterator[Finding]:
    """Look at this computer: its microphones, the providers that can run the model and how fast, and its disk.

    Every microphone is opened and heard for a second.

    Args:
        model: The model that shall run here: the path of an ``.onnx`` file, or ``logmel``.
        folder: The folder where banks and sound would be kept; the current one when left out.

    Yields:
        Each finding as soon as it is made; running the model takes a moment.
    """
    yield Finding("system", "ok", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    yield from _microphones()
    yield from _providers(model)
    yield _disk(folder or Path.cwd())


def _microphones() -> Iterator[Finding]:
    try:
        found = list_microphones()
    except InputError as error:
        yield Finding("microphone", "problem", in_one_line(error), error.next_step)
        return
    usable = 0
    for device in found:
        check = check_microphone(device)
        usable += check.usable
        yield _microphone(check)
    for held in held_microphones():
        advice = f"end {held.holder} to listen to it"
        yield Finding(f"microphone {held.name}", "look", f"it is in use by {held.holder}", advice)
    if usable:
        return
    if found:
        advice = "mend one of those above"
        yield Finding("microphone", "problem", f"none of {len(found)} can be listened to", advice)
    else:
        advice = "connect one; a user may need the group 'audio': sudo usermod -aG audio $USER, then log in again"
        yield Finding("microphone", "problem", "PortAudio works, but there is no microphone", advice)


def _microphone(check: MicrophoneCheck) -> Finding:
    """What is told of one microphone. One of several that does not work is no problem as such: ALSA lists many."""
    subject = f"microphone {check.device.name}"
    if check.rate_hz is None:
        return Finding(subject, "look", check.fault, check.advice)
    channels = "1 channel" if check.channels == 1 else f"{check.channels} channels"
    found = f"{check.rate_hz} Hz, {channels}, {check.level_dbfs:.1f} dBFS"
    found = f"{found}; {check.fault}" if check.fault else found
    return Finding(subject, "look" if check.advice else "ok", found, check.advice)


def _providers(model: str | Path) -> Iterator[Finding]:
    try:
        available = available_providers()
    except InputError as error:
        yield Finding("model", "problem", error.what, error.next_step)
        return
    for provider in available:
        try:
            loaded = Model(model, provider)
        except InputError as error:
            verdict: Verdict = "problem" if provider == "cpu" else "look"
            yield Finding(f"provider {provider}", verdict, in_one_line(error), error.next_step)
            continue
        yield _speed(loaded, provider)
    if str(model) != DEFAULT_MODEL and Path(model).is_file():
        yield Finding("cache", "ok", DeviceCache(Path(model)).state())


def _speed(model: Model, provider: str) -> Finding:
    window = np.random.default_rng(0).normal(0.0, 0.1, model.info.samples).astype(np.float32)
    model.embed(window)
    took_s = []
    for _ in range(_TIMED_RUNS):
        began = time.perf_counter()
        model.embed(window)
        took_s.append(time.perf_counter() - began)
    median_s = float(np.median(took_s))
    factor = median_s / model.info.window_s
    took = f"takes {1000 * median_s:.1f} ms for {model.info.window_s:g} s of sound"
    found = f"{model.info.recipe} {took}, real-time factor {factor:.4f}; nodes: {model.placement}"
    if provider != "cpu" and products_of(model.nodes.get("cpu", {})):
        advice = "products of matrices run on the CPU: a newer version of the provider may take them"
        return Finding(f"provider {provider}", "look", found, advice)
    if median_s < 0.5 * model.info.window_s:
        return Finding(f"provider {provider}", "ok", f"{found}; shortest hop about {max(0.05, 2 * median_s):.2g} s")
    advice = "use a longer hop, a smaller model or another provider"
    return Finding(f"provider {provider}", "look", found, advice)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free in {folder}"
    if free >= _LOW_DISK_BYTES:
        return Finding("disk", "ok", found)
    return Finding("disk", "look", found, "free some space before enrolling with --keep-audio")
