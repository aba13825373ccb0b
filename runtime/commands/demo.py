"""`asd-edge demo`."""

from typing import TYPE_CHECKING

from asd_edge.calibration.settings import options
from asd_edge.runtime.inference.model_settings import ModelSettings
from asd_edge.runtime.reports.settings import DemoSettings

if TYPE_CHECKING:
    from asd_edge.runtime.pipeline.listening import Score
    from asd_edge.runtime.reports.enrolment_text import ThresholdExplained
    from asd_edge.runtime.sources.source import Event


@options
def demo(settings: DemoSettings, model: ModelSettings) -> None:
    """See it work without a microphone: a simulated machine is enrolled, then its bearing goes bad."""
    from rich.console import Console

    from asd_edge.runtime.pipeline.listening import Score
    from asd_edge.runtime.reports.demo import run_demo
    from asd_edge.runtime.sinks.sink import Terminal
    from asd_edge.runtime.sources.source import Event

    console = Console(highlight=False)
    lines: Terminal | None = None

    def tell(item: "str | Score | Event | ThresholdExplained") -> None:
        nonlocal lines
        if isinstance(item, str):
            console.print(item)
        elif isinstance(item, (Score, Event)):
            lines = lines or Terminal("", [item.machine], line_every_s=60.0)
            lines.show(item)
        else:
            console.print("\n".join(item.words) + "\n", soft_wrap=True)

    report = run_demo(settings, model.start(), tell)
    if lines is not None:
        lines.end()
    console.print(f"\n[bold]{report.words()}[/bold]", soft_wrap=True)
    console.print(f"Picture: {report.page.resolve()}", soft_wrap=True)
    next_step = "Now your machine: asd-edge devices, then asd-edge enroll --bank machine.npz --device NAME"
    console.print(f"\n{next_step}", soft_wrap=True)
