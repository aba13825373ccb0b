"""A sink: how many scores went by, in a file."""

from __future__ import annotations

from pathlib import Path

from asd_edge.runtime import Score, Sink


class Tally(Sink):
    """Counts the scores."""

    name = "tally"

    def __init__(self, path):
        self._path, self._count = path, 0

    def show(self, item):
        self._count += isinstance(item, Score)

    def end(self, summaries):
        self._path.write_text(f"{self._count} scores of {', '.join(summaries)}\n")


def open_tally(request):
    return Tally(Path(request.address))
