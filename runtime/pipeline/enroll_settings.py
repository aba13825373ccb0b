"""How a machine is enrolled.

The command line reads this module for its help, so it imports nothing heavy.
"""

from pathlib import Path
from typing import Annotated

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.pipeline.listen_settings import BankPath, HeardChannel


@settings
class EnrollSettings:
    """How a machine is enrolled."""

    bank: BankPath
    hop_s: Annotated[float, Setting("The time from one window to the next in seconds.")] = 10.0
    channel: HeardChannel = None
    minutes: Annotated[
        float | None,
        Setting("The minutes of sound to take.", default="10 from a microphone, all from files", above=0.0),
    ] = None
    name: Annotated[str, Setting("What people call the machine, such as 'pump 3'.")] = ""
    append: Annotated[
        bool,
        Setting(
            "Whether the windows are added to a bank that is there, to go on after a stop or to learn another load or "
            "season."
        ),
    ] = False
    keep_audio: Annotated[
        Path | None,
        Setting("A folder where the sound is kept as FLAC files, to enroll another model from it later."),
    ] = None
    scorer: Annotated[
        str | None,
        Setting(
            f"How windows are compared with normal ones: {', '.join(plugins.names('scorers'))}.",
            default="as in the bank with --append, else what the model was made for",
        ),
    ] = None
    max_references: Annotated[
        int | None, Setting("The largest number of windows that are kept to compare with.", default="all of them")
    ] = None

    def __post_init__(self) -> None:
        from asd_edge.calibration.audio.windowing import require_hop
        from asd_edge.calibration.bank.threshold import MIN_INDEPENDENT_WINDOWS
        from asd_edge.calibration.scorers.registry import require_scorer

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
