"""What is not a number says nothing about the machine: the window is an event, neither normal nor anomalous.

It is looked at after each step that could give it: the sound, what the model makes of it, and the score.
"""

from __future__ import annotations

from asd_edge.calibration.audio.windowing import Window
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.runtime.sources.source import Event


def not_finite(window: Window, what: str) -> Event:
    """The event that tells what of a window is infinite or not a number."""
    return Event(
        "not_finite",
        window.recording.source,
        round(window.start_s, 4),
        f"{what} is infinite or not a number",
        duration_s=len(window.samples) / SAMPLE_RATE_HZ,
    )


def not_finite_output(window: Window, output: ModelOutput) -> Event | None:
    """The event of a window of which the model gives what is not a number; none where all is finite."""
    return None if output.not_finite is None else not_finite(window, f"the model's {output.not_finite}")
