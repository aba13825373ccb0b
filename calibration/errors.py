"""The errors that a user can do something about."""

from __future__ import annotations

from asd_edge.calibration.wording import visible


class InputError(Exception):
    """Something the user gave cannot be used.

    Args:
        what: What is wrong, in one sentence.
        got: The value received.
        valid: What would be valid.
        next_step: The next command or action to try.
    """

    def __init__(self, what: str, *, got: object = None, valid: str = "", next_step: str = "") -> None:
        self.what = what
        self.got = "" if got is None else str(got)
        self.valid = valid
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        parts = (("got", self.got), ("valid", self.valid), ("next", self.next_step))
        lines = [self.what, *(f"  {label + ':':<7}{text}" for label, text in parts if text)]
        return "\n".join(map(visible, lines))


def in_one_line(error: BaseException) -> str:
    """What is wrong and the value received; of another error its message, or its kind where it has none."""
    if isinstance(error, InputError):
        return f"{error.what} {error.got}".strip()
    return str(error) or type(error).__name__


class BankError(InputError):
    """A bank cannot be read, written or used with this model."""


class ModelError(InputError):
    """A model file cannot be loaded, or not on the execution provider that was asked for."""


class SoundError(InputError):
    """Sound cannot be read: a file that is damaged or empty, or a channel that is not there."""


class DeviceError(InputError):
    """A microphone, or another live source, cannot be found or opened now. It may come: `listen` waits for it."""


class WrongDeviceError(DeviceError):
    """What was asked for cannot be opened by waiting: several devices match, or what records is not installed."""
