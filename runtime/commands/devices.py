"""`asd-edge devices`."""

import sys

from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import visible
from asd_edge.runtime.reports.settings import OutputSettings


@options
def devices(output: OutputSettings) -> None:
    """List the microphones of this computer."""
    from rich.table import Table

    from asd_edge.calibration.console import Console
    from asd_edge.runtime.json_objects import write_object
    from asd_edge.runtime.sources.microphone import list_microphones

    microphones = list_microphones()
    if output.json:
        for microphone in microphones:
            write_object(
                "device",
                {
                    "index": microphone.index,
                    "name": microphone.name,
                    "system": microphone.host,
                    "channels": microphone.channels,
                    "rate_hz": microphone.rate_hz,
                    "default": microphone.default,
                },
            )
        sys.exit(0 if microphones else 1)
    console = Console()
    if not microphones:
        console.say("No microphone found. Connect one and look again; `asd-edge doctor` checks the rest.")
        sys.exit(1)
    table = Table("id", "name", "system", "channels", "rate", box=None)
    table.columns[1].overflow = "fold"  # a name is shown to be copied
    for microphone in microphones:
        star = " (default)" if microphone.default else ""
        table.add_row(
            str(microphone.index),
            visible(microphone.name) + star,
            visible(microphone.host),
            str(microphone.channels),
            f"{microphone.rate_hz} Hz",
        )
    console.print(table)
    console.say("\nUse a name or part of it with --device: ids move between boots.")
