"""`asd-edge feedback`."""

from asd_edge.calibration.command_line import options
from asd_edge.runtime.answering.settings import FeedbackSettings
from asd_edge.runtime.reports.settings import OutputSettings


@options
def feedback(settings: FeedbackSettings, output: OutputSettings) -> None:
    """Show the alarms of a machine, and say what they were.

    Without a number, the alarms and the shadow days are listed. "This was normal" lets the windows of an alarm join the
    bank; `listen` takes the new bank while it runs. "This was a fault" keeps them, to see whether it would be found.
    """
    from asd_edge.calibration.console import Console
    from asd_edge.runtime.answering.feedback import feedback as take_feedback
    from asd_edge.runtime.answering.objects import alarm_values, days_values, done_values
    from asd_edge.runtime.answering.text import explain_alarms, explain_done
    from asd_edge.runtime.json_objects import write_object

    found = take_feedback(settings)
    words = explain_alarms(found) if found.done is None else explain_done(found.done, found.machine)
    if not output.json:
        Console().say(words)
        return
    if found.done is not None:
        write_object("answered", done_values(found.done, found, words))
        return
    for alarm in found.alarms:
        write_object("kept_alarm", alarm_values(alarm, found.machine))
    if found.shadow_days is not None:
        write_object("shadow_days", days_values(found.shadow_days, found.machine))
