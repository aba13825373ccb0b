"""JSON lines for programs: one object a line, on standard output or in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.json_objects import json_line
from asd_edge.runtime.pipeline.keeping import shadow_values
from asd_edge.runtime.pipeline.machine import Machine, Score
from asd_edge.runtime.pipeline.threshold_text import explain_threshold
from asd_edge.runtime.request import Request
from asd_edge.runtime.sinks.sink import Sink, Summary
from asd_edge.runtime.sources.source import Event


class JsonLines(Sink):
    """One JSON object a line.

    Every object begins with ``event``, ``time`` and ``schema``, see `asd_edge.runtime.json_objects`. That of a score is
    ``{"event": "score", ...}`` with the fields of `Score`, that of an event has those fields of `Event` that are set.
    Of each machine that is listened to, the first object is ``{"event": "listening", ...}``, which tells its
    threshold, and the last ``{"event": "summary", ...}``.

    Args:
        path: The file that the lines are appended to; standard output when left out.

    Raises:
        InputError: The file cannot be written.
    """

    @checked
    def __init__(self, path: str | Path | None = None) -> None:
        self.name = "json" if path is None else f"json:{path}"
        self._file = None if path is None else _opened(Path(path))
        self._machines: Sequence[Machine] = ()

    @classmethod
    def open(cls, request: Request) -> JsonLines:
        """Open ``json`` for standard output, or ``json:PATH`` for a file."""
        return cls(request.address or None)

    def begin(self, machines: Sequence[Machine]) -> None:
        """Write an object for each machine."""
        self._machines = machines
        for machine in machines:
            self._tell("listening", machine, {**explain_threshold(machine).values, **shadow_values(machine)})

    def show(self, item: Score | Event) -> None:
        """Write one object."""
        values = {key: value for key, value in asdict(item).items() if value is not None}
        self._write(values.pop("event", "score"), values)

    def end(self, summaries: Mapping[str, Summary]) -> None:
        """Write an object for each machine, and close the file."""
        try:
            for machine in self._machines:
                summary = summaries[machine.name]
                self._tell("summary", machine, {"reason": summary.words(), **summary.values()})
        finally:
            if self._file is not None:
                self._file.close()

    def _tell(self, event: str, machine: Machine, values: Mapping[str, Any]) -> None:
        self._write(event, {"machine": machine.name, "source": machine.source.name, **values})

    def _write(self, event: str, values: Mapping[str, Any]) -> None:
        out = self._file or sys.stdout
        out.write(json_line(event, values))
        out.flush()


def _opened(path: Path) -> IO[str]:
    try:
        file = path.open("a", encoding="utf-8")
        if _ends_within_a_line(path):
            file.write("\n")  # the line that a full disk or a kill cut off stays alone
        return file
    except OSError as error:
        raise InputError(
            "The events cannot be written into this file.",
            got=f"{path}: {error.strerror}",
            valid="a file in a folder that is there and can be written to",
            next_step="check the path behind json:",
        ) from error


def _ends_within_a_line(path: Path) -> bool:
    if not path.is_file():
        return False  # a pipe or a device has no end
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() not in (b"", b"\n")
