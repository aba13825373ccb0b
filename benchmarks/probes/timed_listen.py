"""The `asd-edge` program with the model's time taken.

``python -m asd_edge.benchmarks.probes.timed_listen REPORT listen ...``: after every window two readings of processor
time are kept, that of the model and that of the whole process, so that the difference is what everything else took.
They are written to the report, a JSON list of pairs of seconds, when the program ends. Run it with ``--threads 1``:
only the calling thread's time is known to be the model's.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.runtime import Model
from asd_edge.runtime.cli import main as run_program


def main() -> None:
    """Run the program and write the report."""
    report, *arguments = sys.argv[1:]
    sys.argv = ["asd-edge", *arguments]
    readings: list[tuple[float, float]] = []
    model_s = 0.0
    embed = Model.embed

    def timed(model: Model, samples: FloatArray) -> ModelOutput:
        nonlocal model_s
        began = time.thread_time()
        output = embed(model, samples)
        model_s += time.thread_time() - began
        readings.append((model_s, time.process_time()))
        return output

    Model.embed = timed  # type: ignore[method-assign, assignment]
    try:
        run_program()
    finally:
        Path(report).write_text(json.dumps(readings))


if __name__ == "__main__":
    main()
