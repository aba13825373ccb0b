"""`asd-edge devices`."""

from __future__ import annotations

import sys

from asd_edge.calibration.wording import visible


def devices() -> None:
    """List the microphones of this computer."""
    from rich.table import Table

    from asd_edge.calibration.console import Console
    from asd_edge.runtime.sources.microphone import list_microphones

    microphones = list_microphones()
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
