"""The files beside a bank: the bank before the last addition, and windows that wait to be learned."""

from __future__ import annotations

import shutil
from pathlib import Path

from asd_edge.calibration.atomic_files import real_path, write_whole
from asd_edge.calibration.bank.bank import Bank, load_bank
from asd_edge.calibration.bank.bank_lock import locked_bank
from asd_edge.calibration.errors import BankError
from asd_edge.calibration.value_types import checked


def before_path(bank: Path) -> Path:
    """Where the bank is kept as it was before windows were last added to it."""
    return _beside(bank, "before")


def aside_path(bank: Path) -> Path:
    """Where windows wait that sounded too strange to be learned without an answer."""
    return _beside(bank, "aside")


def heard_path(bank: Path) -> Path:
    """Where an enrolment that adds to a bank saves its windows until the bank has learned from them."""
    return _beside(bank, "heard")


def keep_before(bank: Path) -> None:
    """Keep a copy of a bank as it is, in the place of the one that was kept earlier.

    Raises:
        InputError: It cannot be written.
    """
    _copy(bank, before_path(bank))


def load_kept(kept: Path, bank: Path, missing: str, valid: str) -> Bank:
    """Load what is kept beside a bank.

    Args:
        kept: The path of the file that is kept.
        bank: The path of the bank.
        missing: What is wrong where there is no such file, as a sentence.
        valid: Which bank has one.

    Raises:
        BankError: The file is not there, or it is damaged.
    """
    if not kept.is_file():
        raise BankError(
            missing, got=f"no file {kept}", valid=valid, next_step=f"see what the bank holds: asd-edge info {bank}"
        )
    return load_bank(kept)


@checked
def undo(path: str | Path) -> Bank:
    """Take back what was last added to a bank.

    The bank and the one before change places, so that doing it twice changes nothing.

    Args:
        path: The path of the bank.

    Returns:
        The bank as it is now.

    Raises:
        BankError: Nothing was added, another process is enrolling, or the bank before is damaged.
    """
    bank = Path(path)
    before = before_path(bank)
    with locked_bank(bank):
        earlier = load_kept(before, bank, "There is nothing to undo.", "a bank that windows were added to")
        swapped = _beside(bank, "undone")
        if bank.exists():
            _copy(bank, swapped)
        _copy(before, bank)
        if swapped.exists():
            swapped.replace(before)
    return earlier


def _copy(file: Path, target: Path) -> None:
    with file.open("rb") as source, write_whole(target) as copy:
        shutil.copyfileobj(source, copy)


def _beside(bank: Path, what: str) -> Path:
    place = real_path(bank)
    return place.with_name(f"{place.name}.{what}")
