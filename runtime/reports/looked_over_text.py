"""Saying in plain words which windows were strange or copies, where to listen to them, and what became of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.enrolment.looking_over import LookedOver, Stretch
from asd_edge.runtime.sinks.sink import clock

_MOST_SHOWN = 12
"""A list that is longer is cut: half a terminal is read, and no more."""
_QUESTIONS = {
    "strange": "Drop what is not the machine, such as a truck; keep what it does at times.",
    "copies": "Copies make the machine seem steadier than it is. One of each stays.",
}


def found_words(found: LookedOver) -> str:
    """Which windows were found, a line for each stretch of them."""
    kind, those = found.kind, found.stretches
    windows = f"{found.windows} of {counted(found.of, 'window')}"
    one = found.windows == 1
    heading = {
        "strange": f"{windows} {'does' if one else 'do'} not sound like the rest:",
        "copies": f"{windows} {'is' if one else 'are'} the same sound as an earlier one:",
    }[kind]
    lines = [f"  {_line(stretch)}" for stretch in those[:_MOST_SHOWN]]
    if len(those) > _MOST_SHOWN:
        lines.append(f"  and {len(those) - _MOST_SHOWN} more; --json lists all")
    if kind == "strange" and any(stretch.file is None for stretch in those):
        lines.append("The sound was not kept; with --keep-audio you could listen to it.")
    return "\n".join([heading, *lines])


def asking(found: LookedOver) -> str:
    """What a person should know before saying whether windows are dropped."""
    return f"{found_words(found)}\n{_QUESTIONS[found.kind]}"


def outcome(found: LookedOver) -> str:
    """What became of the windows, and what changes it."""
    if not found.kept:
        return "They are dropped."
    return f"They are kept; --{found.kind} drop would leave them out."


def found_objects(found: LookedOver) -> list[dict[str, Any]]:
    """The values of the objects that `enroll` writes, one for each stretch of windows."""
    return [{**asdict(stretch), "kept": found.kept} for stretch in found.stretches]


def _line(stretch: Stretch) -> str:
    if stretch.same_as is not None:
        return f"{_where(stretch)}  as in {visible(stretch.same_as)} at {clock(stretch.same_as_start_s or 0.0)}"
    text = f"{_where(stretch)}  {stretch.times or 0.0:.1f} times the usual distance"
    if stretch.file is not None and str(stretch.file) != stretch.source:
        text += f"  {visible(stretch.file)} at {clock(stretch.file_start_s or 0.0)}"
    return text


def _where(stretch: Stretch) -> str:
    """When a stretch was heard, or where it is in its file."""
    if stretch.heard_at is None:
        return f"{visible(stretch.source)} {clock(stretch.start_s)}-{clock(stretch.end_s)}"
    began = datetime.fromisoformat(stretch.heard_at)
    ended = datetime.fromtimestamp(began.timestamp() + stretch.end_s - stretch.start_s, began.tzinfo)
    day = f"{began:%b %d} " if began.date() != datetime.now(began.tzinfo).date() else ""
    return f"{day}{began:%H:%M:%S}-{ended:%H:%M:%S}"
