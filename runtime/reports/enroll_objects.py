"""What `enroll` writes for programs while it listens, and when it is done."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from asd_edge.runtime.ending import give_up_output
from asd_edge.runtime.enrolment.looking_over import LookedOver
from asd_edge.runtime.enrolment.report import EnrollReport, Progress
from asd_edge.runtime.json_objects import write_object
from asd_edge.runtime.reports.bank_values import enrolment_values
from asd_edge.runtime.reports.looked_over_text import found_objects
from asd_edge.runtime.sources.source import Source

_EVERY_S = 60.0


class EnrollObjects:
    """An object for every event, for each minute and for the end of an enrolment, as `EnrollView` shows them to people.

    Args:
        name: The name of the machine.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._source = ""
        self._shown_at = time.monotonic()

    @contextlib.contextmanager
    def of(self, source: Source) -> Iterator[None]:
        """Write of a source while this lasts."""
        self._source = source.name
        yield

    def show(self, progress: Progress) -> None:
        """Write the event that came last, windows that were found, and once a minute how far the enrolment is."""
        if progress.latest is not None:
            values = {key: value for key, value in asdict(progress.latest).items() if value is not None}
            write_object(values.pop("event"), {**values, "machine": self._name})
        if progress.found is not None:
            self.tell(progress.found)
        now = time.monotonic()
        if now - self._shown_at >= _EVERY_S:
            self._shown_at = now
            write_object(
                "progress",
                {
                    "machine": self._name,
                    "source": self._source,
                    "heard_s": progress.heard_s,
                    "total_s": progress.total_s if math.isfinite(progress.total_s) else None,
                    "windows": progress.windows,
                    "refused": progress.refused,
                    "level_dbfs": progress.level_dbfs,
                },
            )

    def tell(self, found: LookedOver) -> None:
        """Write which windows were strange or copies, and what was done with them."""
        for values in found_objects(found):
            write_object(found.kind, {"machine": self._name, **values})

    def ask(self, question: str) -> bool:  # noqa: ARG002
        """Answer a question with no, as no person reads objects."""
        return False

    def choose(self, found: LookedOver) -> bool | None:  # noqa: ARG002
        """Leave windows that were found as the settings have it, as no person reads objects."""
        return None

    def end(self, report: EnrollReport) -> bool:
        """Write what was learned.

        Returns:
            Whether it could be written; see `EnrollView.end`.
        """
        try:
            write_object("enrolled", enrolment_values(report))
        except Exception:  # noqa: BLE001  whatever an output can do, the bank is written
            give_up_output(sys.stdout)
            return False
        return True

    def undone(self, words: str, path: Path) -> None:
        """Write that what was learned last was taken back."""
        write_object("undone", {"path": path, "reason": words})
