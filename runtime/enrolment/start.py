"""What must hold before an enrolment hears anything, and what its bank begins with."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timezone

from asd_edge.calibration.audio.channels import Channel, parse_channel
from asd_edge.calibration.audio.windowing import Windowing
from asd_edge.calibration.bank.bank import Bank, load_bank
from asd_edge.calibration.bank.bank_file import bank_is_there
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.calibration.scorers.registry import check_can_fit, require_scorer
from asd_edge.calibration.wording import counted
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.machine import check_hop
from asd_edge.runtime.pipeline.model_of_bank import require_model_of
from asd_edge.runtime.sources.source import Source

MINUTES = 10.0
"""How long a source without an end is heard where nobody says how long: 60 windows at the default hop, of which the
learning curve shows whether more would help."""


def earlier_enrolment(settings: EnrollSettings) -> BankInfo | None:
    """What the bank says of itself that an enrolment adds to; none for a new bank.

    Raises:
        BankError: There is a file that is no bank, or it is damaged.
    """
    return load_bank(settings.bank).info if settings.append and bank_is_there(settings.bank) else None


def heard_channel(settings: EnrollSettings, earlier: BankInfo | None) -> Channel:
    """The channel that is heard: the one of the settings, else the one that was enrolled earlier, else the first."""
    return settings.channel or parse_channel(earlier.channel if earlier else "1")


def heard_minutes(settings: EnrollSettings, source: Source) -> float:
    """How many minutes are heard at most; infinite for all of a source that has an end."""
    if settings.minutes is not None:
        return settings.minutes
    return MINUTES if math.isinf(source.duration_s) else math.inf


def check_settings(source: Source, model: Model, settings: EnrollSettings) -> None:
    """Refuse what could never become a bank.

    Raises:
        InputError: The sound is too short, or the hop is too long for it.
    """
    window_s, minutes = model.info.window_s, heard_minutes(settings, source)
    needed_s = max(MIN_INDEPENDENT_WINDOWS * window_s, settings.hop_s)
    if not settings.append and minutes * 60.0 < needed_s:
        raise InputError(
            "That is too short to learn from.",
            got=f"{counted(minutes, 'minute')}",
            valid=f"{needed_s / 60.0:.3g} minutes or more: {MIN_INDEPENDENT_WINDOWS} windows of {window_s:g} s that do "
            f"not overlap",
            next_step="try --minutes 10",
        )
    check_hop(source, Windowing(model.info.samples, settings.hop_s))


def check_path(settings: EnrollSettings) -> None:
    """Refuse to write over a bank that nobody wished to add to.

    Raises:
        BankError: There is a file at the bank's path.
    """
    if bank_is_there(settings.bank) and not settings.append:
        raise BankError(
            "There is a file at the bank's path already.",
            got=settings.bank,
            valid="a new path, or --append to add to the bank that is there",
            next_step="add --append, or move the old file away",
        )


def begin(source: Source, model: Model, settings: EnrollSettings) -> tuple[BankInfo, Bank | None]:
    """Describe the bank that an enrolment writes.

    Returns:
        The description, and the bank that is added to; none for a new one.

    Raises:
        InputError: The bank is damaged or of another model, its windows do not serve another scorer, or the scorer
            cannot be fitted here.
    """
    device = source.name if source.live else ""
    if not (settings.append and bank_is_there(settings.bank)):
        info = BankInfo(
            model_sha256=model.sha256,
            model=model.description,
            window_s=model.info.window_s,
            hop_s=settings.hop_s,
            name=settings.name,
            device=device,
            channel=str(heard_channel(settings, None)),
            scorer=settings.scorer or model.info.scorer,
            max_references=settings.max_references,
            created=now(),
        )
        check_can_fit(info.scorer, model.info.reconstruction, info.max_references)
        return info, None
    bank = load_bank(settings.bank)
    require_model_of(bank, model)
    info = replace(bank.info, model_sha256=model.sha256, model=model.description)
    info = replace(info, hop_s=settings.hop_s, name=settings.name or bank.info.name, device=device or bank.info.device)
    if settings.scorer is not None and settings.scorer != bank.info.scorer:
        if bank.left_out is not None:
            raise BankError(
                "The bank left windows out for another scorer, and this one would have to see them.",
                got=f"--scorer {settings.scorer}, a bank of {bank.info.scorer} with "
                f"{counted(len(bank.references), 'reference')}",
                valid=bank.info.scorer,
                next_step="leave --scorer away, or enroll a new bank",
            )
        limit = info.max_references if require_scorer(settings.scorer).compares else None
        info = replace(info, scorer=settings.scorer, max_references=limit)
    info = replace(info, max_references=settings.max_references or info.max_references)
    check_can_fit(info.scorer, model.info.reconstruction, info.max_references)
    return info, bank


def now() -> str:
    """The time of day in UTC, as ISO 8601 writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
