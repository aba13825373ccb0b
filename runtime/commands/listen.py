"""`asd-edge listen`."""

import sys
from typing import TYPE_CHECKING

from asd_edge.calibration.settings import options
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.machine_settings import MachinesSettings
from asd_edge.runtime.sinks.settings import SinkSettings

if TYPE_CHECKING:
    from asd_edge.runtime.pipeline.listening import Machine


@options
def listen(machines: MachinesSettings, settings: ListenSettings, sinks: SinkSettings, models: ModelsSettings) -> None:
    """Listen to machines and tell when their sound changes.

    Without --device and --input, the microphones that the banks were enrolled with are used. Several machines take a
    --bank each, and share the model.
    """
    from asd_edge.runtime.pipeline.listening import listen as listen_to
    from asd_edge.runtime.pipeline.machines import open_machines
    from asd_edge.runtime.sinks.sink import JsonLines, Sink, Terminal

    opened = open_machines(machines.each(), models, settings)
    live, names = not machines.input, [machine.name for machine in opened]
    sink: Sink = JsonLines(opened, live) if sinks.json else Terminal("\n\n".join(map(_heading, opened)), names, live)
    interrupted = False
    try:
        for item in listen_to(opened):
            sink.show(item)
    except KeyboardInterrupt:
        interrupted = True
    sink.end({machine.name: machine.source.late_blocks for machine in opened})
    if interrupted:
        sys.exit(130)


def _heading(machine: "Machine") -> str:
    from asd_edge.runtime.reports.enrolment_text import explain_threshold

    model = machine.model
    where = model.placement if len(model.nodes) > 1 else model.provider
    return "\n".join(
        [f"{machine.name}: {machine.source.name}, {model.description} on {where}", *explain_threshold(machine).words]
    )
