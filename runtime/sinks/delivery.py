"""Handing what was heard to several sinks, of which one may fail without the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.pipeline.listening import Machine, Score
from asd_edge.runtime.sinks.sink import Sink, Summary
from asd_edge.runtime.sources.source import Event

log = logging.getLogger(__name__)


@checked
def deliver(items: Iterable[Score | Event], sinks: Sequence[Sink], machines: Sequence[Machine] = ()) -> None:
    """Show every score and event in every sink, and end the sinks.

    A sink that raises an error is told once, as a warning of the logger of this module, ended and left out. The sinks
    are ended whatever happens, also by Ctrl-C (KeyboardInterrupt) or an error of the sound.

    Args:
        items: What `listen` or `score_files` gives.
        sinks: Where it goes.
        machines: The machines that are listened to, in the order of `listen`; none where files are scored.

    Raises:
        Exception: The error of the last sink that was left.
        InputError: The sound cannot be read any more.
    """
    summaries = {machine.name: Summary() for machine in machines}
    left = _SinksLeft(sinks, summaries)

    def finish(may_raise: bool) -> None:
        for machine in machines:
            summaries[machine.name].late_blocks = machine.source.late_blocks
        left.end(may_raise)

    try:
        left.each(lambda sink: sink.begin(machines))
        for item in items:
            summaries.setdefault(item.machine, Summary()).add(item)
            left.each(lambda sink, item=item: sink.show(item))  # type: ignore[misc]  # the lambda's default is its type
    except BaseException:
        finish(may_raise=False)  # the error that is on its way tells more
        raise
    finish(may_raise=True)


class _SinksLeft:
    """The sinks that have not failed."""

    def __init__(self, sinks: Sequence[Sink], summaries: dict[str, Summary]) -> None:
        self._sinks = list(sinks)
        self._summaries = summaries

    def each(self, do: Callable[[Sink], None]) -> None:
        """Do something with every sink; raise the error of the last one that was left."""
        for sink in list(self._sinks):
            try:
                do(sink)
            except Exception as error:
                self._leave_out(sink)
                if not self._sinks:
                    raise
                _tell(sink, error)

    def _leave_out(self, sink: Sink) -> None:
        self._sinks.remove(sink)
        try:
            sink.end(self._summaries)
        except Exception:  # its first error is the one that is told
            log.debug("The sink %s could not end.", sink.name, exc_info=True)

    def end(self, may_raise: bool) -> None:
        """End every sink; where all of them fail to, raise the error of the last if that may be."""
        failed: list[tuple[Sink, Exception]] = []
        for sink in self._sinks:
            try:
                sink.end(self._summaries)
            except Exception as error:  # noqa: BLE001  a sink may come from anywhere and fail in any way
                failed.append((sink, error))
        raised = failed.pop()[1] if may_raise and failed and len(failed) == len(self._sinks) else None
        self._sinks = []
        for sink, reason in failed:
            _tell(sink, reason)
        if raised is not None:
            raise raised


def _tell(sink: Sink, error: Exception) -> None:
    reason = (
        f"{error.what} {error.got}".strip() if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    )
    log.warning("The sink %s failed and is left out: %s", sink.name, reason, exc_info=log.isEnabledFor(logging.DEBUG))
