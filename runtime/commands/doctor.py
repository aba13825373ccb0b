"""`asd-edge doctor`."""

from __future__ import annotations

import sys

from asd_edge.runtime.commands.options import ModelOption


def doctor(model: ModelOption = "logmel") -> None:
    """Check whether this machine is ready, and say what to do where it is not."""
    from rich.console import Console

    from asd_edge.runtime.reports.doctor import examine

    console = Console(highlight=False)
    styles = {"ok": "green", "look": "yellow", "problem": "bold red"}
    problems = 0
    for finding in examine(model):
        problems += finding.verdict == "problem"
        verdict = f"[{styles[finding.verdict]}]{finding.verdict:<8}[/]"
        console.print(f"{verdict} {finding.subject}: {finding.found}", soft_wrap=True)
        if finding.advice:
            console.print(f"         -> {finding.advice}", soft_wrap=True, markup=False)
    if problems:
        sys.exit(1)
