"""Where the sound of a machine comes from.

The command line reads this module for its help, so it imports nothing heavy.
"""

from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration import plugins
from asd_edge.calibration.settings import Setting, settings

if TYPE_CHECKING:
    from asd_edge.calibration.audio.channels import Channel
    from asd_edge.runtime.sources.source import Source


@settings
class SourceSettings:
    """Where the sound of a machine comes from."""

    device: Annotated[
        str | None,
        Setting("The microphone: its name, a part of it, or its index, which can change when the computer restarts."),
    ] = None
    input: Annotated[
        tuple[str, ...],
        Setting(
            "A sound file or a folder of them instead of a microphone, or an address such as simulated:seed=3; files "
            f"and folders can be repeated. The kinds of addresses are {', '.join(plugins.names('sources'))}."
        ),
    ] = ()

    def open(self, channel: "Channel", remembered: str = "") -> "Source":
        """Open the source.

        Args:
            channel: The channel that will be used.
            remembered: The name of the live source that the bank was enrolled from, which is opened where these
                settings name none; empty where there is none.

        Raises:
            InputError: There is nothing to open, or it cannot be opened.
        """
        from asd_edge.runtime.sources.opening import open_source

        return open_source(self.device, self.input, channel, remembered)
