"""`asd-edge enroll`."""

import logging
import sys
import threading
from typing import TYPE_CHECKING

from asd_edge.calibration.command_line import options
from asd_edge.runtime.ending import INTERRUPTED, stopped_by_signals
from asd_edge.runtime.enrolment.settings import BankActions, EnrollSettings
from asd_edge.runtime.inference.model_settings import ModelSettings
from asd_edge.runtime.reports.settings import OutputSettings
from asd_edge.runtime.sources.settings import SourceSettings

if TYPE_CHECKING:
    from asd_edge.runtime.enrolment.comparison import Strangeness
    from asd_edge.runtime.enrolment.looking_over import LookedOver

log = logging.getLogger(__name__)


@options
def enroll(
    source: SourceSettings,
    settings: EnrollSettings,
    actions: BankActions,
    model: ModelSettings,
    output: OutputSettings,
) -> None:
    """Learn what a machine sounds like when it is well.

    Ctrl-C ends it early and keeps what was heard; --append goes on.
    """
    from asd_edge.calibration.errors import InputError, in_one_line
    from asd_edge.runtime.enrolment.enrolling import enroll as enroll_machine
    from asd_edge.runtime.enrolment.kept_beside import undo
    from asd_edge.runtime.enrolment.start import earlier_enrolment, heard_channel
    from asd_edge.runtime.enrolment.taking_aside import take_aside
    from asd_edge.runtime.enrolment.taking_in import HeldAsideError
    from asd_edge.runtime.reports.enroll_objects import EnrollObjects
    from asd_edge.runtime.reports.enroll_view import EnrollView
    from asd_edge.runtime.reports.enrolment_text import explain_enrolment, explain_undo

    actions.check(source.device is not None or bool(source.input))
    stop, view = threading.Event(), EnrollObjects(settings.name) if output.json else EnrollView()
    if actions.undo:
        view.undone(explain_undo(undo(settings.bank), settings.bank), settings.bank)
        return
    with stopped_by_signals(stop) as stopping:

        def accept(found: "Strangeness") -> bool:
            with stopping.at_once():
                return view.ask(found.words())

        def choose(found: "LookedOver") -> "bool | None":
            with stopping.at_once():
                return view.choose(found)

        try:
            if actions.take_aside:
                report = take_aside(settings, accept, choose, view.tell)
            else:
                with stopping.at_once():
                    started = model.start()
                    earlier = earlier_enrolment(settings)
                    opened = source.open(heard_channel(settings, earlier), remembered=earlier.device if earlier else "")
                with view.of(opened):
                    report = enroll_machine(opened, started, settings, view.show, stop, accept, choose)
        except HeldAsideError as error:
            if not stopping.broken_off:
                raise
            log.warning("%s; %s", in_one_line(error), error.next_step)
            sys.exit(INTERRUPTED)
        except InputError:
            if stopping.asked and not settings.bank.exists():
                log.info("Stopped before a whole window was heard: no bank was written.")
                sys.exit(INTERRUPTED)
            raise
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        if not view.end(report):
            log.info(explain_enrolment(report).partition("\n")[0])
    if report.interrupted:
        sys.exit(INTERRUPTED)
    if not report.bank.ready:
        raise report.bank.why_not_ready
