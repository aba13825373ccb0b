"""`asd-edge listen`."""

import sys
from pathlib import Path

from asd_edge.calibration.command_line import options
from asd_edge.runtime.answering.settings import LearningSettings
from asd_edge.runtime.ending import ended_by_signals
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.machine_settings import MachinesSettings
from asd_edge.runtime.sinks.settings import SinkSettings


@options
def listen(
    machines: MachinesSettings,
    settings: ListenSettings,
    learning: LearningSettings,
    sinks: SinkSettings,
    models: ModelsSettings,
) -> None:
    """Listen to machines and tell when their sound changes.

    Without --device and --input, the microphones that the banks were enrolled with are used.

    Several machines take a --bank each, and share the model.

    SIGTERM ends it with 0, Ctrl-C with 130; a bank whose file changes is read anew, and all of them at SIGHUP.
    """
    from asd_edge.runtime.pipeline.listening import listen as listen_to
    from asd_edge.runtime.pipeline.machines import open_machines
    from asd_edge.runtime.sinks.delivery import deliver

    learning.check(settings.learn_for_s)
    with ended_by_signals() as signals:
        told = sinks.open()
        opened = open_machines(machines.each(), models, settings)
        signals.in_order = True
        deliver(listen_to(opened, signals.stop, signals.reload), told, opened, signals.stop)
        for bank in machines.bank if settings.learn_for_s is not None else ():
            learns = learning.learn_unconfirmed and not signals.stop.is_set()
            _tell_shadow_days(bank, learns, sinks.json or "json" in sinks.sink)
    sys.exit(signals.exit_code)


def _tell_shadow_days(bank: Path, learn: bool, as_json: bool) -> None:
    """Tell what the alarm would have gone on about, and let the bank learn from it where that was asked for."""
    from asd_edge.calibration.console import Console
    from asd_edge.runtime.answering.feedback import feedback
    from asd_edge.runtime.answering.objects import days_values, done_values
    from asd_edge.runtime.answering.settings import FeedbackSettings
    from asd_edge.runtime.answering.text import explain_done, explain_shadow_days
    from asd_edge.runtime.json_objects import write_object

    found = feedback(FeedbackSettings(bank))
    days, done = found.shadow_days, None
    if days is None:
        return
    if learn and days.complete and not days.answer:
        found = feedback(FeedbackSettings(bank, shadow_days=True, normal=True, note="learned unconfirmed"))
        done = found.done
    if as_json:
        write_object("shadow_days", days_values(days, found.machine))
        if done is not None:
            write_object("answered", done_values(done, found, explain_done(done, found.machine)))
        return
    Console().say("\n" + explain_shadow_days(found))
    if done is not None:
        Console().say(explain_done(done, found.machine))
