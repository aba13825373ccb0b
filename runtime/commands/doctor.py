"""`asd-edge doctor`."""

import sys
from dataclasses import asdict

from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import visible
from asd_edge.runtime.reports.settings import DoctorSettings, OutputSettings


@options
def doctor(settings: DoctorSettings, output: OutputSettings) -> None:
    """Check whether this computer is ready, and say what to do where it is not."""
    from rich.text import Text

    from asd_edge.calibration.console import Console
    from asd_edge.runtime.json_objects import write_object
    from asd_edge.runtime.reports.doctor import examine

    console = Console()
    styles = {"ok": "green", "look": "yellow", "problem": "bold red"}
    problems = 0
    for finding in examine(settings.model):
        problems += finding.verdict == "problem"
        if output.json:
            write_object("finding", {name: value for name, value in asdict(finding).items() if value})
            continue
        console.print(Text(f"{finding.verdict:<8}", styles[finding.verdict]), end=" ")
        console.say(f"{visible(finding.subject)}: {visible(finding.found)}")
        if finding.advice:
            console.say(f"         -> {visible(finding.advice)}", indent=3)
    if problems:
        sys.exit(1)
