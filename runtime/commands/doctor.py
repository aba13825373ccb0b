"""`asd-edge doctor`."""

import sys

from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import visible
from asd_edge.runtime.reports.settings import DoctorSettings


@options
def doctor(settings: DoctorSettings) -> None:
    """Check whether this computer is ready, and say what to do where it is not."""
    from rich.text import Text

    from asd_edge.calibration.console import Console
    from asd_edge.runtime.reports.doctor import examine

    console = Console()
    styles = {"ok": "green", "look": "yellow", "problem": "bold red"}
    problems = 0
    for finding in examine(settings.model):
        problems += finding.verdict == "problem"
        console.print(Text(f"{finding.verdict:<8}", styles[finding.verdict]), end=" ")
        console.say(f"{visible(finding.subject)}: {visible(finding.found)}")
        if finding.advice:
            console.say(f"         -> {visible(finding.advice)}", indent=3)
    if problems:
        sys.exit(1)
