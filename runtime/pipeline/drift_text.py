"""Saying in plain words what changed in the sound of a machine, and what to do about it."""

from __future__ import annotations

from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.drift.drift_watch import Change, DriftWatch

_DAY_S = 86_400.0
_HOUR_S = 3600.0
_MINUTE_S = 60.0
_APPEND = "`asd-edge enroll --append`"


def change_in_words(change: Change, bank: Bank) -> str:
    """What changed, what it may be and what to do about it.

    Args:
        change: The change.
        bank: The bank that the sound was compared with.
    """
    if change.kind == "as_before":
        return (
            "the level is as it was enrolled again"
            if change.level_db is not None
            else ("the sound is as it was enrolled again")
        )
    if change.level_db is not None:
        return _level(change)
    if change.kind == "drift":
        return _drift(change)
    if change.kind == "fault_begins":
        return _fault(change)
    if change.began_s is None:
        return _from_the_start(change, bank)
    return _moved(change) if change.kind == "moved" else _new_state(change)


def reason_of_alarm(watch: DriftWatch) -> str:
    """What the watch knows that explains an alarm, in a few words; empty where it knows of nothing."""
    if (level_db := watch.level_now()) is not None:
        return f"everything is {_louder(level_db)} than it was enrolled"
    known = watch.sound or watch.level
    if known is None:
        return ""
    return {
        "moved": "everything moved at once",
        "drift": "everything has been moving slowly",
        "new_state": "the sound is a steady one that was never enrolled",
        "fault_begins": "the sound has been growing stranger",
        "as_before": "",
    }[known.kind]


def _level(change: Change) -> str:
    how = f"slowly, over {_time(change.took_s)}" if change.kind == "drift" else f"at once, {_ago(change)}"
    if change.kind != "drift" and change.began_s is None:
        how = "before this listening began"
    ends = "Put it back, or enroll again if it is to stay" if change.kind == "moved" else "Look at the microphone"
    return (
        f"everything became {_louder(change.level_db or 0.0)} than it was enrolled, {how}: was the microphone moved or "
        f"covered, or its gain changed? {ends}; {_APPEND} adds the new sound to what is normal"
    )


def _moved(change: Change) -> str:
    bands = "" if change.bands is None else f", in {100 * change.bands:.0f} % of all bands"
    more = " once more" if change.further else ""
    return (
        f"everything moved at once{more}, {_ago(change)}{bands}: was the microphone moved, or is another machine "
        f"running beside this one? Put it back, or enroll again if it is to stay; if it is the machine, look at it"
    )


def _new_state(change: Change) -> str:
    return (
        f"a sound that was never enrolled began at once, {_ago(change)}, and has been steady since: is the machine in "
        f"a state that is new, or did something break? Look at it; if it is well, {_APPEND} adds this state"
    )


def _fault(change: Change) -> str:
    if change.comes_and_goes:
        how = f"has come and gone for {_time(change.began_s or 0.0)}"
    elif change.further:
        how = f"goes on growing stranger, for {_time(change.began_s or 0.0)} now"
    else:
        how = f"has been growing stranger for {_time(change.began_s or 0.0)}"
    what = "a strange sound" if change.comes_and_goes else "the sound"
    return f"{what} {how}: a fault may be beginning. Look at the machine soon, and enroll nothing before it is well"


def _drift(change: Change) -> str:
    far = "" if change.deviations is None else f", by {change.deviations:.2g} of the deviation of single windows so far"
    more = "goes on moving" if change.further else "has been moving"
    return (
        f"the sound {more} slowly, for {_time(change.began_s or change.took_s)} or longer{far}: wear, dirt, a "
        f"filter that fills, the weather or the season. If the machine is well, {_APPEND} adds how it sounds now"
    )


def _from_the_start(change: Change, bank: Bank) -> str:
    heard_s = bank.independent_windows * bank.info.window_s
    short = (
        f" The bank knows {_time(heard_s)} of the machine, and not how one day differs from the next."
        if heard_s < _DAY_S
        else ""
    )
    what = "the microphone was moved or is another" if change.kind == "moved" else "the machine is in another state"
    return (
        f"the sound has not been as it was enrolled since this listening began: {what}, or too little was enrolled."
        f"{short} If the machine is well, {_APPEND} adds how it sounds now"
    )


def _louder(decibels: float) -> str:
    return f"{abs(decibels):.0f} dB {'louder' if decibels > 0.0 else 'quieter'}"


def _ago(change: Change) -> str:
    return "at an unknown time" if change.began_s is None else f"{_time(change.began_s)} ago"


def _time(seconds: float) -> str:
    """A time in the unit that people would say it in."""
    for unit_s, unit in ((_DAY_S, "days"), (_HOUR_S, "hours"), (_MINUTE_S, "minutes")):
        if seconds >= 2.0 * unit_s:
            return f"{seconds / unit_s:.2g} {unit}" if seconds < 10.0 * unit_s else f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
