"""Where scores and events go.

The command line reads this module for its help, so it imports nothing heavy.
"""

from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.pipeline.listen_settings import JsonLines

if TYPE_CHECKING:
    from asd_edge.runtime.sinks.sink import Sink


@settings
class SinkSettings:
    """Where scores and events go."""

    json: JsonLines = False
    sink: Annotated[
        tuple[str, ...],
        Setting(
            "Where scores and events go, as NAME or NAME:ADDRESS: terminal, json for JSON lines on standard output, "
            "json:events.jsonl to append them to a file, or the sink of another package. It can be repeated, and a "
            "sink that fails does not stop the others.",
            default="terminal",
        ),
    ] = ()

    def open(self) -> "list[Sink]":
        """Open the sinks.

        Raises:
            InputError: There is no sink of a name, or one cannot be opened.
        """
        from asd_edge.runtime.sinks.opening import open_sink

        names = [*(["json"] if self.json else []), *self.sink] or ["terminal"]
        return [open_sink(name) for name in names]
