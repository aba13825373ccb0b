"""`asd-edge demo`."""

from asd_edge.calibration.command_line import options
from asd_edge.calibration.wording import visible
from asd_edge.runtime.inference.model_settings import ModelSettings
from asd_edge.runtime.reports.settings import DemoSettings


@options
def demo(settings: DemoSettings, model: ModelSettings) -> None:
    """See it work without a microphone: a simulated machine is enrolled, then its bearing goes bad."""
    from asd_edge.calibration.console import Console
    from asd_edge.runtime.reports.demo import run_demo
    from asd_edge.runtime.sinks.terminal import Terminal

    report = run_demo(settings, model.start(), [Terminal(line_every_s=60.0)])
    console = Console()
    console.say(f"\n{report.words()}", style="bold")
    console.say(f"Picture: {visible(report.page.resolve())}")
    console.say("\nNow your machine: asd-edge devices, then asd-edge enroll --bank machine.npz --device NAME")
