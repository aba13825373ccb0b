"""How a model's time is shared by its front end and its encoder, by ONNX Runtime's own profile of its nodes."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import ModelError
from asd_edge.runtime.inference.session import load, session_options

_LAST_OF_FRONT_END = "Log"
"""Every front end here ends with the logarithm of a mel spectrogram, and no encoder takes one."""
_WARM_UP_RUNS, _RUNS = 2, 3
_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class NodeTimes:
    """The seconds spent in the nodes of a run, median of several."""

    front_end_s: float
    """the time in the nodes up to the logarithm of the mel spectrogram, in the order in which they run"""
    encoder_s: float
    """the time in all other nodes"""


def node_times(path: Path, threads: int, windows: FloatArray) -> NodeTimes | None:
    """Profile a model on the CPU, in a session of its own: profiling costs time, too.

    Args:
        path: The ONNX file.
        threads: The threads on the processor, as for `Model`.
        windows: The windows to run it with, (batch, samples).

    Returns:
        The times; none where the graph does not show where its front end ends.
    """
    options = session_options(threads)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        try:
            session = load(path, options)
        except Exception as error:
            raise ModelError("The model cannot be profiled.", got=f"{path}: {error}") from error
        for _ in range(_WARM_UP_RUNS + _RUNS):
            session.run(["embedding"], {"waveform": windows})
        events = json.loads(Path(session.end_profiling()).read_text())
    runs = [times for times in map(_split, _runs(events)) if times is not None][-_RUNS:]
    if not runs:
        return None
    front_end, encoder = zip(*runs, strict=True)
    return NodeTimes(statistics.median(front_end), statistics.median(encoder))


def _runs(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Tell the nodes of each run, in the order in which they ran."""
    nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX)]
    for run in events:
        if run["name"] == "model_run":
            ended = run["ts"] + run["dur"]
            yield sorted((node for node in nodes if run["ts"] <= node["ts"] < ended), key=lambda node: int(node["ts"]))


def _split(nodes: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Sum up the seconds up to the last node of the front end, and after it."""
    logarithms = [index for index, node in enumerate(nodes) if node["args"]["op_name"] == _LAST_OF_FRONT_END]
    if not logarithms:
        return None
    took_s = [node["dur"] / 1e6 for node in nodes]
    behind = logarithms[-1] + 1
    return sum(took_s[:behind]), sum(took_s[behind:])
