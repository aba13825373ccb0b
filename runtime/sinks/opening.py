"""Opening sinks by what a user writes: ``NAME``, or ``NAME:ADDRESS`` such as ``json:events.jsonl``."""

from __future__ import annotations

from asd_edge.runtime.request import Request, open_part
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
    return open_part("sinks", Request(name, address.removeprefix("//")), Sink, "--sink")  # type: ignore[type-abstract]
