"""Pictures for pages that open offline: a spectrogram as PNG and scores over time as SVG."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

_FFT_POINTS = 512
_COLOURS = np.array(
    [[4, 5, 20], [50, 18, 92], [120, 28, 109], [187, 55, 84], [237, 105, 37], [251, 180, 26], [252, 254, 164]],
    np.float64,
)
"""From dark to bright in even steps of lightness, so that it also reads in grey."""
_PLOT_WIDTH, _PLOT_HEIGHT, _MARGIN = 900, 260, 46


def spectrogram_db(samples: FloatArray, columns: int = 480) -> NDArray[np.float64]:
    """Power over frequency and time in decibels: (257, columns), the lowest frequency last."""
    starts = np.linspace(0, len(samples) - _FFT_POINTS, columns).astype(int)
    frames = samples[starts[:, None] + np.arange(_FFT_POINTS)] * np.hanning(_FFT_POINTS)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return np.asarray(10.0 * np.log10(power + 1e-12).T[::-1])


def png_data_uri(values: NDArray[np.float64], low: float, high: float) -> str:
    """A picture of a matrix, `low` dark and `high` bright, as an address to put into a page."""
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


def scores_svg(
    times_s: Sequence[float],
    scores: Sequence[float],
    threshold: float,
    marks: Sequence[tuple[float, str, str]],
    alarms: Sequence[tuple[float, float]],
) -> str:
    """Scores over time with the threshold.

    Args:
        times_s: When, rising.
        scores: How high.
        threshold: The line that separates normal from anomalous.
        marks: Moments to point out: seconds, label, CSS class.
        alarms: From when to when the alarm was on.
    """
    end = max(times_s)
    top = 1.08 * max(*scores, threshold)
    low = 0.9 * min(scores)

    def x(at_s: float) -> float:
        return _MARGIN + at_s / end * (_PLOT_WIDTH - 2 * _MARGIN)

    def y(score: float) -> float:
        return _PLOT_HEIGHT - _MARGIN - (score - low) / (top - low) * (_PLOT_HEIGHT - 2 * _MARGIN)

    bottom, height = _PLOT_HEIGHT - _MARGIN, _PLOT_HEIGHT - 2 * _MARGIN
    parts = [
        f'<svg viewBox="0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT}" role="img" aria-label="Anomaly score over time">',
        *(
            f'<rect class="alarm" x="{x(on):.1f}" y="{_MARGIN}" width="{x(off) - x(on):.1f}" height="{height}"/>'
            for on, off in alarms
        ),
        f'<path class="axis" d="M{_MARGIN} {bottom}H{_PLOT_WIDTH - _MARGIN}"/>',
    ]
    step_s = 300.0 if end > 900.0 else 60.0
    for at_s in np.arange(0.0, end + 1.0, step_s):
        parts.append(f'<text class="tick" x="{x(at_s):.1f}" y="{bottom + 18}">{at_s / 60.0:.0f} min</text>')
    for value in np.linspace(low, top, 5)[1:-1]:
        parts.append(f'<text class="scale" x="{_MARGIN - 6}" y="{y(value) + 4:.1f}">{value:.0f}</text>')
    line = " ".join(f"{x(at_s):.1f},{y(score):.1f}" for at_s, score in zip(times_s, scores, strict=True))
    parts += [
        f'<path class="threshold" d="M{_MARGIN} {y(threshold):.1f}H{_PLOT_WIDTH - _MARGIN}"/>',
        f'<text class="threshold" x="{_MARGIN + 4}" y="{y(threshold) - 5:.1f}">threshold {threshold:.1f}</text>',
        f'<polyline class="score" points="{line}"/>',
    ]
    for row, (at_s, label, kind) in enumerate(marks):
        anchor = "end" if at_s > 0.7 * end else "start"
        shift = -5 if anchor == "end" else 5
        y_line, y_text = _MARGIN - 30 + 15 * row, _MARGIN - 22 + 15 * row
        parts.append(f'<path class="mark {kind}" d="M{x(at_s):.1f} {y_line}V{bottom}"/>')
        parts.append(
            f'<text class="{kind}" text-anchor="{anchor}" x="{x(at_s) + shift:.1f}" y="{y_text}">{label}</text>'
        )
    return "".join([*parts, "</svg>"])
