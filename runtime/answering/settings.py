"""What a person says about alarms and shadow days.

The command line reads this module for its help, so it imports nothing heavy.
"""

from typing import Annotated

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.pipeline.listen_settings import BankPath

_LONGEST_NOTE = 1000
"""The most characters of a note."""


@settings
class FeedbackSettings:
    """What a person says about an alarm, or about shadow days."""

    bank: BankPath
    number: Annotated[
        int | None,
        Setting("The number of the alarm, as the list shows it.", argument=True, at_least=1, at_most=2**53),
    ] = None
    normal: Annotated[
        bool, Setting("Whether it was normal sound: its windows join the bank, and the thresholds follow.")
    ] = False
    fault: Annotated[
        bool, Setting("Whether it was a fault: its windows are kept, to see whether it would be found again.")
    ] = False
    shadow_days: Annotated[
        bool,
        Setting(
            "Whether it is about the latest shadow days as a whole: with --normal, all that was heard in them, but for "
            "alarms that were faults, joins the bank."
        ),
    ] = False
    undo: Annotated[bool, Setting("Whether what was said is taken back, and the bank learns anew without it.")] = False
    note: Annotated[str, Setting("What else is worth knowing, such as 'bearing changed'.")] = ""

    def __post_init__(self) -> None:
        said = [name for name in ("normal", "fault", "undo") if getattr(self, name)]
        about = ["an alarm's number"] * (self.number is not None) + ["--shadow-days"] * self.shadow_days
        got = " and ".join([*about, *(f"--{name}" for name in said)])
        valid = "a number with --normal, --fault or --undo; --shadow-days with --normal or --undo; or none of them"
        if len(said) > 1 or len(about) > 1 or bool(said) != bool(about) or (self.shadow_days and self.fault):
            raise InputError(
                "It is not clear what was said about which alarm.",
                got=got,
                valid=valid,
                next_step="see the alarms without all of it, then: asd-edge feedback --bank pump.npz 3 --normal",
            )
        if self.note and (not said or self.undo):
            raise InputError(
                "A note belongs to an answer.",
                got=f"--note without --normal or --fault: {self.note:.80}",
                valid=valid,
                next_step="add --normal or --fault",
            )
        if len(self.note) > _LONGEST_NOTE:
            raise InputError(
                "The note is too long.",
                got=f"{len(self.note)} characters",
                valid=f"at most {_LONGEST_NOTE}",
                next_step="shorten it",
            )


@settings
class LearningSettings:
    """What happens at the end of shadow days."""

    learn_unconfirmed: Annotated[
        bool,
        Setting(
            "Whether all that was heard with --learn-for joins the bank at its end without anybody having said that "
            "the machine was well; alarms that were answered as faults do not."
        ),
    ] = False

    def check(self, learn_for_s: float | None) -> None:
        """Refuse to learn where nothing is learned from.

        Raises:
            InputError: There are no shadow days.
        """
        if self.learn_unconfirmed and learn_for_s is None:
            raise InputError(
                "Nothing is learned while alarms are raised.",
                got="--learn-unconfirmed without --learn-for",
                valid="both",
                next_step="add --learn-for 1d",
            )
