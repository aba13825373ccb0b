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
    with bank.open("rb") as now, write_whole(before_path(bank)) as kept:
        shutil.copyfileobj(now, kept)


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
        if not before.is_file():
            raise BankError(
                "There is nothing to undo.",
                got=f"no file {before}",
                valid="a bank that windows were added to",
                next_step="see what the bank holds: asd-edge info " + str(bank),
            )
        earlier = load_bank(before)
        swapped = _beside(bank, "undone")
        if bank.exists():
            with bank.open("rb") as now, write_whole(swapped) as kept:
                shutil.copyfileobj(now, kept)
        with before.open("rb") as kept_before, write_whole(bank) as now_written:
            shutil.copyfileobj(kept_before, now_written)
        if swapped.exists():
            swapped.replace(before)
    return earlier


def _beside(bank: Path, what: str) -> Path:
    place = real_path(bank)
    return place.with_name(f"{place.name}.{what}")
