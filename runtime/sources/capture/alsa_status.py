"""Which microphones other programs hold, from the status files of ALSA: PortAudio leaves them off its list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class HeldMicrophone:
    """A sound card that another program records from."""

    name: str
    """its name as PortAudio would list it"""
    holder: str
    """the program that holds it, with its process number"""


def held_microphones(proc: Path = _PROC) -> list[HeldMicrophone]:
    """Look up the sound cards that other programs record from; there are none where there is no ALSA.

    Args:
        proc: The folder where the proc file system is mounted.
    """
    cards = _card_names(proc / "asound" / "cards")
    held = []
    for status in sorted(proc.glob("asound/card*/pcm*c/sub*/status")):
        owner = re.search(r"^owner_pid\s*:\s*(\d+)", _text(status), re.MULTILINE)
        if owner is None:
            continue  # "closed"
        info = _text(status.with_name("info"))
        number, device = (_field(info, name) for name in ("card", "device"))
        name = f"{cards.get(number, f'card {number}')}: {_field(info, 'id')} (hw:{number},{device})"
        program = _text(proc / owner[1] / "comm").strip() or "a program"
        held.append(HeldMicrophone(name, f"{program} (process {owner[1]})"))
    return held


def _card_names(cards: Path) -> dict[str, str]:
    """Read names of cards by number from lines like `` 1 [Device         ]: USB-Audio - USB PnP Sound Device``."""
    return dict(re.findall(r"^\s*(\d+) \[.*?\]: .*? - (.+)$", _text(cards), re.MULTILINE))


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
    return found[1] if found else "?"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
