"""Opening a microphone and listening to it for a moment: whether it can be had, and whether it hears anything."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np

from asd_edge.calibration.audio.level import level_dbfs
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import DeviceError, in_one_line
from asd_edge.runtime.pipeline.sensor_fault import sensor_fault
from asd_edge.runtime.sources.capture.input_devices import InputDevice
from asd_edge.runtime.sources.microphone import Microphone
from asd_edge.runtime.sources.source import Block

HEARD_S = 1.0
"""Long enough for a level, and twice as long as what counts as frozen sound."""
QUIET_DBFS = -70.0
"""Even the noise of a cheap microphone in a quiet room is louder where its gain is set at all."""


@dataclass(frozen=True)
class MicrophoneCheck:
    """What a microphone gave."""

    device: InputDevice
    """the microphone"""
    rate_hz: int | None = None
    """the sample rate that it was opened with; none where it could not be opened"""
    channels: int | None = None
    """the number of channels that it was opened with"""
    level_dbfs: float | None = None
    """the level of its loudest channel in decibels relative to full scale; none where no sound came"""
    fault: str = ""
    """what stands in the way of listening to it, in words; empty where nothing does"""
    advice: str = ""
    """what to do about it, or about what could be better; empty where there is nothing to do"""

    @property
    def usable(self) -> bool:
        """Whether it hears something."""
        return not self.fault


def check_microphone(device: InputDevice) -> MicrophoneCheck:
    """Open a microphone and listen to it for `HEARD_S`.

    Args:
        device: A microphone that was listed just now.
    """
    try:
        microphone = Microphone(str(device.index))
    except DeviceError as error:
        return MicrophoneCheck(device, fault=in_one_line(error), advice=error.next_step)
    if microphone.device.name != device.name:
        microphone.close()
        return MicrophoneCheck(device, fault="it went away while the others were tried", advice="look again")
    blocks: list[Block] = []
    trouble = ""
    stop = threading.Event()
    for item in microphone.sound(stop):
        if isinstance(item, Block):
            blocks.append(item)
        elif not stop.is_set():
            trouble = item.reason
        if trouble or sum(len(block.samples) for block in blocks) >= HEARD_S * blocks[0].rate_hz:
            stop.set()
    if not blocks:
        advice = "unmute or resume it (pactl list sources shows its state), or plug it in again"
        return MicrophoneCheck(device, fault=f"it opens, but {trouble}", advice=advice)
    return _judged(device, np.concatenate([block.samples for block in blocks]), blocks[0].rate_hz, trouble)


def _judged(device: InputDevice, samples: FloatArray, rate_hz: int, trouble: str) -> MicrophoneCheck:
    """Look at the sound ``(frames, channels)`` that a microphone gave."""
    channels = samples.shape[1]
    faults = [sensor_fault(np.ascontiguousarray(samples[:, channel]), rate_hz) for channel in range(channels)]
    level = round(max(level_dbfs(samples[:, channel]) for channel in range(channels)), 1)
    check = MicrophoneCheck(device, rate_hz, channels, level)
    if trouble:
        return replace(check, fault=trouble, advice="use another USB port or fewer programs at once, then look again")
    if all(faults):
        return replace(check, fault=faults[0] or "", advice=_advice(faults[0] or ""))
    if any(faults):
        spoiled = ", ".join(f"channel {index + 1}: {fault}" for index, fault in enumerate(faults) if fault)
        return replace(check, advice=f"{spoiled}; take another with --channel")
    if level < QUIET_DBFS:
        return replace(check, advice="it is very quiet: raise its gain (alsamixer or pavucontrol)")
    if rate_hz < SAMPLE_RATE_HZ:
        advice = f"it hears nothing above {rate_hz / 2000:g} kHz: take one that records {SAMPLE_RATE_HZ} Hz or more"
        return replace(check, advice=advice)
    return check


def _advice(fault: str) -> str:
    if "clipping" in fault:
        return "lower its gain (alsamixer or pavucontrol), or move it away"
    return "unmute it (alsamixer or pavucontrol); a monitor hears only what is played"
