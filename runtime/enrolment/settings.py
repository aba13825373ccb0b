"""How a machine is enrolled.

The command line reads this module for its help, so it imports nothing heavy.
"""

from pathlib import Path
from typing import Annotated

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.pipeline.listen_settings import HOP, BankPath, HeardChannel

_LONGEST_MINUTES = 43_200.0
"""Thirty days: what is learned is kept in memory, about 1.5 kB a window and more with wider embeddings."""
MOST_REFERENCES = 10_000_000
"""A score compares with each of them, which takes a second or more from here on."""
CHOICES = ("ask", "keep", "drop")
"""What may be done with windows that are strange or copies."""


@settings
class EnrollSettings:
    """How a machine is enrolled."""

    bank: BankPath
    hop_s: Annotated[float, HOP] = 10.0
    channel: HeardChannel = None
    minutes: Annotated[
        float | None,
        Setting(
            "The minutes of sound to take.",
            default="10 from a microphone, all from files",
            above=0.0,
            at_most=_LONGEST_MINUTES,
        ),
    ] = None
    name: Annotated[str, Setting("What people call the machine, such as 'pump 3'.")] = ""
    append: Annotated[
        bool,
        Setting(
            "Whether the windows are added to a bank that is there, to go on after a stop or to learn another load or "
            "season. They are compared with the bank first."
        ),
    ] = False
    yes: Annotated[
        bool,
        Setting(
            "Whether windows are learned without asking, although they sound strange to the bank that they are added "
            "to. Without it, and without a terminal to ask at, they are kept aside."
        ),
    ] = False
    strange: Annotated[
        str,
        Setting(
            "Whether windows that do not sound like the rest, such as a truck that passed by, are kept or dropped: "
            f"{', '.join(CHOICES)}. They are shown in any case; where there is no terminal to ask at, they are kept."
        ),
    ] = "ask"
    copies: Annotated[
        str,
        Setting(
            "Whether windows that are the same sound as an earlier one, such as a file that is there twice, are kept "
            f"or dropped: {', '.join(CHOICES)}. They are shown in any case, and one of each stays."
        ),
    ] = "ask"
    keep_audio: Annotated[
        Path | None,
        Setting(
            "A folder where the sound is kept as FLAC files, to listen to what was strange, and to enroll another "
            "model from it later."
        ),
    ] = None
    scorer: Annotated[
        str | None,
        Setting(
            f"How windows are compared with normal ones: {', '.join(plugins.names('scorers'))}.",
            default="as in the bank with --append, else what the model was made for",
        ),
    ] = None
    max_references: Annotated[
        int | None,
        Setting(
            "The largest number of windows that are kept to compare with.",
            default="all of them",
            at_least=1,
            at_most=MOST_REFERENCES,
        ),
    ] = None

    def __post_init__(self) -> None:
        from asd_edge.calibration.audio.windowing import require_hop
        from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
        from asd_edge.calibration.scorers.registry import require_scorer

        require_hop(self.hop_s)
        for name in ("strange", "copies"):
            if getattr(self, name) not in CHOICES:
                raise InputError(
                    "That cannot be done with windows.",
                    got=f"--{name} {getattr(self, name)}",
                    valid=", ".join(CHOICES),
                    next_step=f"try --{name} keep",
                )
        if self.scorer is not None:
            require_scorer(self.scorer)
        if self.max_references is not None and self.max_references < MIN_INDEPENDENT_WINDOWS:
            raise InputError(
                "That is too few references for a bank.",
                got=f"at most {self.max_references}",
                valid=f"{MIN_INDEPENDENT_WINDOWS} or more",
                next_step="try --max-references 200",
            )


@settings
class BankActions:
    """What is done with a bank instead of hearing more."""

    take_aside: Annotated[
        bool, Setting("Whether the windows that an enrolment kept aside, as they sounded strange, are learned now.")
    ] = False
    undo: Annotated[
        bool,
        Setting(
            "Whether the bank becomes what it was before windows were last added to it; doing so again takes that back."
        ),
    ] = False

    def check(self, sound_given: bool) -> None:
        """Refuse what cannot be done together.

        Raises:
            InputError: Both actions are asked for, or one of them with sound.
        """
        if (self.undo or self.take_aside) and (sound_given or (self.undo and self.take_aside)):
            raise InputError(
                "That cannot be done at once.",
                got=" and ".join(
                    ["--undo"] * self.undo + ["--take-aside"] * self.take_aside + ["sound to hear"] * sound_given
                ),
                valid="--undo, or --take-aside, or sound to enroll from",
                next_step="do one after the other",
            )
