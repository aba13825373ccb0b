"""How to enroll, and all that must hold before anything is heard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from asd_edge.calibration.audio.channels import Channel
from asd_edge.calibration.audio.windowing import Windowing, require_hop
from asd_edge.calibration.bank.bank import Bank, BankInfo, load_bank
from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.calibration.scorers.registry import check_can_fit, require_scorer
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.listening import check_hop
from asd_edge.runtime.sources.source import Source


@dataclass(frozen=True)
class EnrollSettings:
    """How to enroll."""

    bank: Path
    """where the bank is written"""
    hop_s: float = 10.0
    channel: Channel = 1
    minutes: float | None = None
    """of sound to take; none for all there is"""
    name: str = ""
    """of the machine"""
    append: bool = False
    """add to a bank that is there"""
    keep_audio: Path | None = None
    """folder for the sound as FLAC"""
    scorer: str | None = None
    """a name of `asd_edge.calibration.scorers.registry`; that of the bank with `append`, else that the model was
    made for, when left out"""
    max_references: int | None = None
    """how many references to keep at most; as many as the bank with `append` and a scorer that compares, else all, when
    left out"""

    def __post_init__(self) -> None:
        require_hop(self.hop_s)
        if self.scorer is not None:
            require_scorer(self.scorer)
        if self.max_references is not None and self.max_references < MIN_INDEPENDENT_WINDOWS:
            raise InputError(
                "That is too few references for a bank.",
                got=f"at most {self.max_references}",
                valid=f"{MIN_INDEPENDENT_WINDOWS} or more",
                next_step="try --max-references 200",
            )


def check_settings(source: Source, model: Model, settings: EnrollSettings) -> None:
    """Refuse what could never become a bank.

    Raises:
        InputError: The sound is too short, the hop too long for it, or there is a file at the bank's path.
    """
    window_s = model.info.window_s
    if settings.minutes is not None:
        needed_s = MIN_INDEPENDENT_WINDOWS * window_s
        if not settings.append and settings.minutes * 60.0 < max(needed_s, settings.hop_s):
            raise InputError(
                "That is too short to learn from.",
                got=f"{settings.minutes:g} minutes",
                valid=f"{max(needed_s, settings.hop_s) / 60.0:.3g} minutes or more: {MIN_INDEPENDENT_WINDOWS} windows "
                f"of {window_s:g} s that do not overlap",
                next_step="try --minutes 10",
            )
    check_hop(source, Windowing(model.info.samples, settings.hop_s))
    if settings.bank.exists() and not settings.bank.is_dir() and not settings.append:
        raise BankError(
            "There is a file at the bank's path already.",
            got=settings.bank,
            valid="a new path, or --append to add to the bank that is there",
            next_step="add --append, or move the old file away",
        )


def begin(source: Source, model: Model, settings: EnrollSettings) -> tuple[BankInfo, Bank | None]:
    """The description of a new bank, or of the one that is added to, and that bank.

    Raises:
        InputError: The bank is damaged, of another model, or its windows do not serve another scorer; or the scorer
            cannot be fitted here.
    """
    device = source.name if source.live else ""
    if not (settings.append and settings.bank.exists()):
        info = BankInfo(
            model_sha256=model.sha256,
            model=model.description,
            window_s=model.info.window_s,
            hop_s=settings.hop_s,
            name=settings.name,
            device=device,
            channel=str(settings.channel),
            scorer=settings.scorer or model.info.scorer,
            max_references=settings.max_references,
            created=now(),
        )
        check_can_fit(info.scorer, model.info.reconstruction, info.max_references)
        return info, None
    bank = load_bank(settings.bank)
    bank.check_model(model.sha256, model.description)
    info = replace(
        bank.info, hop_s=settings.hop_s, name=settings.name or bank.info.name, device=device or bank.info.device
    )
    if settings.scorer is not None and settings.scorer != bank.info.scorer:
        if bank.left_out is not None:
            raise BankError(
                "The bank left windows out for another scorer, and this one would have to see them.",
                got=f"--scorer {settings.scorer}, a bank of {bank.info.scorer} with {len(bank.references)} references",
                valid=bank.info.scorer,
                next_step="leave --scorer away, or enroll a new bank",
            )
        limit = info.max_references if require_scorer(settings.scorer).compares else None
        info = replace(info, scorer=settings.scorer, max_references=limit)
    info = replace(info, max_references=settings.max_references or info.max_references)
    check_can_fit(info.scorer, model.info.reconstruction, info.max_references)
    return info, bank


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
