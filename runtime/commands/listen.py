"""`asd-edge listen`."""

import sys

from asd_edge.calibration.command_line import options
from asd_edge.runtime.ending import ended_by_signals
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.machine_settings import MachinesSettings
from asd_edge.runtime.sinks.settings import SinkSettings


@options
def listen(machines: MachinesSettings, settings: ListenSettings, sinks: SinkSettings, models: ModelsSettings) -> None:
    """Listen to machines and tell when their sound changes.

    Without --device and --input, the microphones that the banks were enrolled with are used.

    Several machines take a --bank each, and share the model.

    SIGTERM ends it with 0, Ctrl-C with 130; SIGHUP reads the banks anew.
    """
    from asd_edge.runtime.pipeline.listening import listen as listen_to
    from asd_edge.runtime.pipeline.machines import open_machines
    from asd_edge.runtime.sinks.delivery import deliver

    with ended_by_signals() as signals:
        try:
            told = sinks.open()
            opened = open_machines(machines.each(), models, settings)
            signals.in_order = True
            deliver(listen_to(opened, signals.stop, signals.reload), told, opened, signals.stop)
        except KeyboardInterrupt:  # while it starts, or for whom the ordinary end takes too long
            sys.exit(signals.exit_code)
    sys.exit(signals.exit_code)
