"""Pictures of an evaluation as SVG: how scores are spread, and what each threshold would find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.dcase.metrics import PAUC_MAX_FPR, roc_curve

_BINS = 28
_LOG_FROM = 12.0
"""Scores that differ by more than this factor are drawn on a logarithmic axis, or the normal ones fall into one bin."""
_WIDTH, _HEIGHT = 420, 210
_SIDE = 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 18, 12, 34


def histogram_svg(groups: Mapping[str, Sequence[float]], threshold: float | None) -> str:
    """How large a share of each group has which score.

    Args:
        groups: Scores by CSS class, such as ``normal-source``; empty groups are left out.
        threshold: A line to draw, if there is one.
    """
    groups = {name: scores for name, scores in groups.items() if scores}
    everything = np.concatenate([np.asarray(scores) for scores in groups.values()])
    marked = everything if threshold is None else np.append(everything, threshold)
    low, high = float(marked.min()), float(marked.max())
    logarithmic = low > 0.0 and high / low > _LOG_FROM
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.geomspace(low, high, _BINS + 1) if logarithmic else np.linspace(low, high, _BINS + 1)
    shares = {name: np.histogram(scores, edges)[0] / len(scores) for name, scores in groups.items()}
    top = max(float(share.max()) for share in shares.values())
    bottom, inner = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT

    def x(score: float) -> float:
        at = np.log(score / low) / np.log(high / low) if logarithmic else (score - low) / (high - low)
        return float(_LEFT + at * inner)

    def outline(share: NDArray[np.float64]) -> str:
        steps = [
            f"H{x(edge):.1f}V{bottom - height / top * (bottom - _TOP):.1f}"
            for edge, height in zip(edges, share, strict=False)
        ]
        return f"M{_LEFT} {bottom}{''.join(steps)}H{x(high):.1f}V{bottom}Z"

    ticks = edges[:: _BINS // 4]
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Histogram of anomaly scores">',
        *(f'<path class="bars {name}" d="{outline(share)}"/>' for name, share in shares.items()),
        f'<path class="axis" d="M{_LEFT} {bottom}H{_WIDTH - _RIGHT}"/>',
        *(f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 15}">{tick:.3g}</text>' for tick in ticks),
        f'<text class="tick" x="{_LEFT + inner / 2:.0f}" y="{_HEIGHT - 4}">anomaly score'
        f"{', logarithmic' if logarithmic else ''}</text>",
        f'<text class="scale" x="{_LEFT - 4}" y="{_TOP + 4}">{100 * top:.0f} %</text>',
    ]
    if threshold is not None:
        parts.append(f'<path class="threshold" d="M{x(threshold):.1f} {_TOP}V{bottom}"/>')
    return "\n".join([*parts, "</svg>"])


def roc_svg(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """True positive rate over false positive rate; the strip that the pAUC looks at is shaded.

    Args:
        curves: Scores of normal and of anomalous clips by CSS class; curves that lack either are left out.
    """
    bottom, inner = _SIDE - _BOTTOM, _SIDE - _LEFT - _RIGHT
    height = bottom - _TOP

    def line(normal: Sequence[float], anomalies: Sequence[float]) -> str:
        false_positives, true_positives = roc_curve(normal, anomalies)
        points = zip(_LEFT + false_positives * inner, bottom - true_positives * height, strict=True)
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)

    strip = f'<rect class="strip" x="{_LEFT}" y="{_TOP}" width="{PAUC_MAX_FPR * inner:.1f}" height="{height}"/>'
    ticks = [
        f'<text class="tick" x="{_LEFT + at * inner:.1f}" y="{bottom + 15}">{at:g}</text>'
        f'<text class="scale" x="{_LEFT - 4}" y="{bottom - at * height + 4:.1f}">{at:g}</text>'
        for at in (0, 0.5, 1)
    ]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="Receiver operating characteristic">',
            strip,
            f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_SIDE - _RIGHT}"/>',
            f'<path class="chance" d="M{_LEFT} {bottom}L{_SIDE - _RIGHT} {_TOP}"/>',
            *ticks,
            f'<text class="tick" x="{_LEFT + inner / 2:.0f}" y="{_SIDE - 4}">false positive rate</text>',
            *(f'<path class="roc {name}" d="{line(*curve)}"/>' for name, curve in curves.items() if all(curve)),
            "</svg>",
        ]
    )
