"""`asd-edge enroll`."""

import sys

from asd_edge.calibration.command_line import options
from asd_edge.runtime.inference.model_settings import ModelSettings
from asd_edge.runtime.pipeline.enroll_settings import EnrollSettings
from asd_edge.runtime.sources.settings import SourceSettings


@options
def enroll(source: SourceSettings, settings: EnrollSettings, model: ModelSettings) -> None:
    """Learn what a machine sounds like when it is well.

    Ctrl-C ends it early and keeps what was heard; --append goes on.
    """
    from asd_edge.runtime.pipeline.enroll_start import earlier_enrolment, heard_channel
    from asd_edge.runtime.pipeline.enrolling import enroll as enroll_machine
    from asd_edge.runtime.reports.enroll_view import EnrollView
    from asd_edge.runtime.reports.enrolment_text import explain_enrolment

    started = model.start()
    earlier = earlier_enrolment(settings)
    opened = source.open(heard_channel(settings, earlier), remembered=earlier.device if earlier else "")
    with EnrollView(opened) as view:
        report = enroll_machine(opened, started, settings, view.show)
    view.console.say(explain_enrolment(report), indent=16)
    if report.interrupted:
        sys.exit(130)
    if not report.bank.ready:
        raise report.bank.why_not_ready
