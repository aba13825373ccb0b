"""Pictures for pages that open offline: a spectrogram as PNG, and what the drawing of scores over time needs."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

_FFT_POINTS = 512
_COLOURS = np.array(
    [[4, 5, 20], [50, 18, 92], [120, 28, 109], [187, 55, 84], [237, 105, 37], [251, 180, 26], [252, 254, 164]],
    np.float64,
)
"""From dark to bright in even steps of lightness, so that the picture also reads in grey."""
_PLOT_HEIGHT, _MARGIN = 260, 46
DESK_WIDTH, PHONE_WIDTH = 900, 360
"""The widths of drawings in pixels: a page shows that which its window has room for, as text that is made smaller with
its drawing cannot be read on a phone."""
_TICKS_S = (60.0, 300.0, 600.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 24 * 3600.0)
_TICK_WIDTH = 60.0
"""The room of a time under the axis in pixels."""


def spectrogram_db(samples: FloatArray, columns: int = 480) -> NDArray[np.float64]:
    """The power of a sound over frequency and time.

    Args:
        samples: The sound, (samples,), at least 512 of them.
        columns: The number of moments.

    Returns:
        (257, columns) in decibels, the lowest frequency last.
    """
    starts = np.linspace(0, len(samples) - _FFT_POINTS, columns).astype(int)
    frames = samples[starts[:, None] + np.arange(_FFT_POINTS)] * np.hanning(_FFT_POINTS)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return np.asarray(10.0 * np.log10(power + 1e-12).T[::-1])


def png_data_uri(values: NDArray[np.float64], low: float, high: float) -> str:
    """A picture of a matrix as an address to put into a page.

    Args:
        values: The matrix, (rows, columns).
        low: The value that is dark.
        high: The value that is bright.
    """
    scaled = np.clip((values - low) / (high - low), 0.0, 1.0) * (len(_COLOURS) - 1)
    steps = np.arange(len(_COLOURS))
    pixels = np.stack([np.interp(scaled, steps, _COLOURS[:, channel]) for channel in range(3)], axis=2).astype(np.uint8)
    rows = np.concatenate([np.zeros((len(pixels), 1), np.uint8), pixels.reshape(len(pixels), -1)], axis=1)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def scores_chart(
    times_s: Sequence[float],
    scores: Sequence[float],
    threshold: float,
    marks: Sequence[tuple[float, str, str]],
    alarms: Sequence[tuple[float, float]],
    width: int = DESK_WIDTH,
) -> dict[str, Any]:
    """What the template ``scores.svg`` needs to draw scores over time, with the threshold.

    Args:
        times_s: The times of the scores in seconds, rising.
        scores: The scores at these times.
        threshold: The line that separates normal from anomalous.
        marks: The moments to point out: the time in seconds, the label and the CSS class of each.
        alarms: From when to when the alarm was on, in seconds.
        width: The width of the drawing in pixels.

    Returns:
        What the template knows as ``chart``: ``x`` and ``y`` are functions from a time and a score to the drawing.
    """
    end_s = max(times_s)
    high = 1.08 * max(*scores, threshold)
    low = 0.9 * min(scores)
    left, right, top, bottom = _MARGIN, width - _MARGIN, _MARGIN, _PLOT_HEIGHT - _MARGIN

    def x(at_s: float) -> float:
        return left + at_s / end_s * (right - left)

    def y(score: float) -> float:
        return bottom - (score - low) / (high - low) * (bottom - top)

    fitting = [each for each in _TICKS_S if x(each) - x(0.0) >= _TICK_WIDTH]
    return {
        "width": width,
        "height": _PLOT_HEIGHT,
        "left": left,
        "right": right,
        "top": top,
        "bottom": bottom,
        "x": x,
        "y": y,
        "end_s": end_s,
        "ticks_s": np.arange(0.0, end_s + 1.0, fitting[0] if fitting else end_s or 1.0).tolist(),
        "levels": np.linspace(low, high, 5)[1:-1].tolist(),
        "scores": list(zip(times_s, scores, strict=True)),
        "threshold": threshold,
        "marks": marks,
        "alarms": alarms,
    }
