"""The charts of an evaluation: how scores are spread, and what each threshold would find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from asd_edge.benchmarks.drawing import COLOURS, embedded, figure_of_page, name_class
from asd_edge.calibration.dcase.metrics import PAUC_MAX_FPR, roc_curve

COLOUR_OF = {
    "normal-source": "one",
    "normal-target": "two",
    "anomaly": "bad",
    "unlabelled": "soft",
    "roc-source": "one",
    "roc-target": "two",
    "roc-loudness": "soft",
}
"""The colours of groups of clips and of curves, by their classes in the page."""
_DASHES = {"roc-source": "-", "roc-target": (0, (7, 2)), "roc-loudness": (0, (2, 2))}
_BINS = 28
_LOG_FROM = 12.0
"""Scores that differ by more than this factor are drawn on a logarithmic axis, or the normal ones fall into one bin."""


def histogram_svg(groups: Mapping[str, Sequence[float]], threshold: float | None) -> str:
    """Draw how large a share of each group has which score.

    Args:
        groups: The scores by class, such as ``normal-source``; groups without any are left out.
        threshold: Where to draw a line, if there is a threshold.
    """
    groups = {name: scores for name, scores in groups.items() if scores}
    everything = np.concatenate([np.asarray(scores) for scores in groups.values()])
    marked = everything if threshold is None else np.append(everything, threshold)
    low, high = float(marked.min()), float(marked.max())
    logarithmic = low > 0.0 and high / low > _LOG_FROM
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.geomspace(low, high, _BINS + 1) if logarithmic else np.linspace(low, high, _BINS + 1)
    with figure_of_page(520.0, 230.0) as (figure, axes):
        for name, scores in groups.items():
            shares = np.histogram(scores, edges)[0] / len(scores)
            colour = COLOURS[COLOUR_OF[name]]
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.25)
            axes.stairs(shares, edges, color=colour, linewidth=1.3, gid=name_class(f"bars {name}"))
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        if threshold is not None:
            axes.axvline(threshold, color=COLOURS["ink"], linestyle="--", linewidth=1.0, gid=name_class("threshold"))
        axes.set_ylim(0.0, None)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100.0 * share:.0f} %")
        axes.set_xlabel(f"anomaly score{', logarithmic' if logarithmic else ''}")
        return embedded(figure, "Histogram of anomaly scores")


def roc_svg(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """Draw the true positive rate over the false positive rate, and shade the strip that the pAUC looks at.

    Args:
        curves: The scores of normal and of anomalous clips, by class; curves that lack either are left out.
    """
    with figure_of_page(280.0, 280.0) as (figure, axes):
        axes.axvspan(0.0, PAUC_MAX_FPR, color=COLOURS["strip"], linewidth=0.0)
        axes.plot([0.0, 1.0], [0.0, 1.0], color=COLOURS["line"], linewidth=1.0)
        for name, (normal, anomalies) in curves.items():
            if normal and anomalies:
                false_positives, true_positives = roc_curve(normal, anomalies)
                axes.plot(
                    false_positives,
                    true_positives,
                    color=COLOURS[COLOUR_OF[name]],
                    linestyle=_DASHES[name],
                    gid=name_class(f"roc {name}"),
                )
        axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.01), xticks=(0.0, 0.5, 1.0), yticks=(0.0, 0.5, 1.0), aspect="equal")
        axes.set_xlabel("false positive rate")
        return embedded(figure, "Receiver operating characteristic")
