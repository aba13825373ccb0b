"""`asd-edge info`."""

from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import visible
from asd_edge.runtime.reports.settings import InfoSettings, OutputSettings


@options
def info(settings: InfoSettings, output: OutputSettings) -> None:
    """Say what a model or a bank is."""
    from asd_edge.calibration.console import Console
    from asd_edge.runtime.json_objects import write_object
    from asd_edge.runtime.reports.info import describe

    described = describe(settings.file)
    if output.json:
        write_object(described.kind, described.values)
        return
    lines = described.lines
    width = max(len(label) for label, _ in lines)
    console = Console()
    for label, text in lines:
        console.say(f"{label:<{width}}  {visible(text)}", indent=width + 2)
