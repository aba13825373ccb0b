"""`asd-edge doctor`."""

import sys

from asd_edge.calibration.command_line import options
from asd_edge.runtime.reports.settings import DoctorSettings


@options
def doctor(settings: DoctorSettings) -> None:
    """Check whether this computer is ready, and say what to do where it is not."""
    from rich.console import Console

    from asd_edge.runtime.reports.doctor import examine

    console = Console(highlight=False)
    styles = {"ok": "green", "look": "yellow", "problem": "bold red"}
    problems = 0
    for finding in examine(settings.model):
        problems += finding.verdict == "problem"
        verdict = f"[{styles[finding.verdict]}]{finding.verdict:<8}[/]"
        console.print(verdict, end=" ")
        console.print(f"{finding.subject}: {finding.found}", soft_wrap=True, markup=False)
        if finding.advice:
            console.print(f"         -> {finding.advice}", soft_wrap=True, markup=False)
    if problems:
        sys.exit(1)
