"""Opening sinks by what a user writes: ``NAME``, or ``NAME:ADDRESS`` such as ``json:events.jsonl``."""

from __future__ import annotations

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.request import Request
from asd_edge.runtime.sinks.sink import Sink


def open_sink(text: str) -> Sink:
    """Open a sink.

    Args:
        text: The name of an entry point of the group ``asd_edge.sinks``, and where the sink needs one, an address
            behind a colon.

    Raises:
        InputError: There is no sink of that name, or it cannot be opened.
    """
    name, _, address = text.partition(":")
    sink = plugins.load("sinks", name, "--sink")(Request(name, address.removeprefix("//")))
    if not isinstance(sink, Sink):
        raise InputError(
            "What the entry point makes is no sink.",
            got=f"{name}: {type(sink).__name__}",
            valid="an object of a subclass of asd_edge.runtime.Sink",
            next_step="mend the package that brings it",
        )
    return sink
