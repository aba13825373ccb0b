"""Learning the windows that wait beside a bank, when somebody says that the machine was well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.bank.bank_lock import locked_bank
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.enrolment.kept_beside import aside_path, load_kept
from asd_edge.runtime.enrolment.looking_over import Choose, Hearing, HeldWindows, LookedOver, look_over
from asd_edge.runtime.enrolment.report import EnrollReport
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.enrolment.taking_in import Accept, accepting, add_windows, take_in


@checked
def take_aside(
    settings: EnrollSettings,
    accept: Accept | None = None,
    choose: Choose | None = None,
    tell: Callable[[LookedOver], None] | None = None,
) -> EnrollReport:
    """Learn the windows that wait beside a bank because they sounded strange.

    Args:
        settings: Which bank it is; `yes` says that the machine was well.
        accept: As for `enroll`.
        choose: As for `enroll`.
        tell: A function that is called with windows that do not sound like the rest, or are copies, and what was done
            with them.

    Raises:
        HeldAsideError: Nobody said that the machine was well.
        InputError: No windows wait, they are of another model, or the bank cannot be read, learn or be written.
    """
    path = settings.bank
    with locked_bank(path):
        bank, aside = load_bank(path), aside_path(path)
        valid = "a bank that an enrolment held windows back from"
        waiting = load_kept(aside, path, "No windows wait beside this bank.", valid)
        probe = waiting.probe
        bank.check_model(waiting.info.model_sha256, waiting.info.model, None if probe is None else lambda: probe)
        new = GrowingReferences(bank)
        added = add_windows(new, waiting)
        windows = HeldWindows(bank.info, bank, waiting if added else None, Hearing())
        looked = look_over(windows, settings, choose, tell or _ignore)
        info = bank.info
        if looked.new is None:
            info = replace(info, refused=dict(Counter(info.refused) + looked.dropped))
        accept = None if looked.interrupted else accept
        learned = take_in(path, bank, info, looked.new, looked.compared, accepting(settings, accept))
        aside.unlink()
    return EnrollReport(
        bank=learned.bank,
        path=path,
        added=added - looked.dropped.total(),
        already_there=len(waiting.references) - added,
        repeated=0,
        refused=dict(looked.dropped),
        kept_files=(),
        curve=learned.curve(),
        bandwidth="" if learned.strangeness is None else learned.strangeness.bandwidth,
        strangeness=learned.strangeness,
        found=looked.found,
        reduction=learned.reduction,
        interrupted=looked.interrupted,
    )


def _ignore(_: LookedOver) -> None:
    pass
