"""Where scores and events go.

The command line reads this module for its help, so it imports nothing heavy.
"""

from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration import plugins
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.pipeline.listen_settings import AsJson

if TYPE_CHECKING:
    from asd_edge.runtime.sinks.sink import Sink


@settings
class SinkSettings:
    """Where scores and events go."""

    json: AsJson = False
    sink: Annotated[
        tuple[str, ...],
        Setting(
            "Where scores and events go, as NAME or NAME:ADDRESS: json writes JSON lines on standard output, and "
            "json:events.jsonl appends them to a file. It can be repeated, and a sink that fails does not stop the "
            f"others. The names are {', '.join(plugins.names('sinks'))}.",
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
        return [open_sink(name) for name in dict.fromkeys(names)]
