"""`asd-edge devices`."""

from __future__ import annotations


def devices() -> None:
    """List the microphones of this computer."""
    from rich.console import Console
    from rich.table import Table

    from asd_edge.runtime.sources.microphone import list_microphones

    microphones = list_microphones()
    console = Console()
    if not microphones:
        console.print("No microphone found. Connect one and look again; `asd-edge doctor` checks the rest.")
        return
    table = Table("id", "name", "system", "channels", "rate", box=None)
    for microphone in microphones:
        star = " (default)" if microphone.default else ""
        table.add_row(
            str(microphone.index),
            microphone.name + star,
            microphone.host,
            str(microphone.channels),
            f"{microphone.rate_hz} Hz",
        )
    console.print(table)
    console.print("\nUse a name or part of it with --device: ids move between boots.", highlight=False)
