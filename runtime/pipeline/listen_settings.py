"""How machines are listened to and files are scored.

The command line reads this module for its help, so it imports nothing heavy.
"""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.audio.channels import Channel, parse_channel
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings

if TYPE_CHECKING:
    from asd_edge.calibration.audio.windowing import Windowing
    from asd_edge.calibration.bank.bank import Bank
    from asd_edge.calibration.bank.threshold import Threshold
    from asd_edge.runtime.inference.model import Model

BankPath = Annotated[
    Path, Setting("The path of the bank, the file that keeps what is normal for a machine, such as pump.npz.")
]
LONGEST_HOP_S = 86_400.0
"""The longest time between windows: a machine that is heard less than once a day is not listened to."""
_UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
MOST_FALSE_ALARMS_PER_DAY = 86_400.0
"""The largest wish for false alarms: one a second."""
LONGEST_SHADOW_S = 31 * 86_400.0
"""The longest time of shadow days: whoever has not answered after a month will not."""
HOP = Setting("The time from one window to the next in seconds.", above=0.0, at_most=LONGEST_HOP_S)
AsJson = Annotated[bool, Setting("Whether one JSON object a line is written to standard output, and nothing else.")]
HeardChannel = Annotated[
    Channel | None,
    Setting(
        "The channel of the source, counted from 1, or 'mix' for the mean of all channels.",
        default="as enrolled, at first 1",
        parse=parse_channel,
    ),
]


def parse_duration(text: str) -> float:
    """Read how long something takes, such as ``90m``, ``12h`` or ``1d12h``, in seconds.

    Raises:
        InputError: It cannot be read.
    """
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([dhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise _no_duration(text)
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _no_duration(got: str) -> InputError:
    return InputError(
        "That is no length of shadow days.",
        got=got,
        valid=f"a number of days, hours, minutes or seconds, up to {LONGEST_SHADOW_S / 86_400.0:g} days, such as 3d, "
        "12h, 90m or 1d12h",
        next_step="try --learn-for 1d",
    )


@settings
class ListenSettings:
    """How a machine is listened to, and when the alarm goes on."""

    hop_s: Annotated[float, HOP] = 10.0
    channel: HeardChannel = None
    rule: Annotated[
        AlarmRule,
        Setting(
            "When the alarm goes on and off, as k/n: on after k anomalous windows of the last n, off after k normal "
            "windows in a row.",
            option="--alarm",
            parse=AlarmRule.parse,
        ),
    ] = AlarmRule()
    false_alarms_per_day: Annotated[
        float,
        Setting(
            "How many false alarms a day are bearable; the threshold follows from it.",
            at_least=0.0,
            at_most=MOST_FALSE_ALARMS_PER_DAY,
        ),
    ] = 1.0
    percentile: Annotated[
        float | None,
        Setting(
            "The percentile of normal windows that lie below the threshold, which then follows from it instead.",
            at_least=0.0,
            at_most=100.0,
        ),
    ] = None
    drift_watch: Annotated[
        bool,
        Setting(
            "Whether it is told when everything moves slowly or at once, when a state that was never enrolled is "
            "heard, and when a fault begins.",
            option="--drift-watch/--no-drift-watch",
        ),
    ] = True

    learn_for_s: Annotated[
        float | None,
        Setting(
            "How long the machine is listened to without alarms, to learn from it, such as 90m, 12h or 3d. The same "
            "command goes on after a stop; at its end it tells what the alarm would have gone on about, and nothing "
            "is learned until `asd-edge feedback` says that it was normal.",
            parse=parse_duration,
        ),
    ] = None

    def __post_init__(self) -> None:
        from asd_edge.calibration.audio.windowing import require_hop

        require_hop(self.hop_s)
        if self.learn_for_s is not None and not 0.0 < self.learn_for_s <= LONGEST_SHADOW_S:
            raise _no_duration(f"{self.learn_for_s:g} s")

    def windowing(self, model: "Model", bank: "Bank") -> "Windowing":
        """How the sound of a machine is cut into windows.

        Args:
            model: The model that hears; it says how long a window is.
            bank: What is normal; it says which channel was enrolled.
        """
        from asd_edge.calibration.audio.windowing import Windowing

        return Windowing(model.info.samples, self.hop_s, self.channel or parse_channel(bank.info.channel))

    def threshold(self, bank: "Bank") -> "Threshold":
        """The threshold that follows from a bank by these settings.

        Raises:
            InputError: The bank has too few windows, or no threshold fulfils the wish.
        """
        if self.percentile is not None:
            return bank.threshold_at(self.percentile, self.rule, self.hop_s)
        return bank.threshold_for(self.false_alarms_per_day, self.rule, self.hop_s)


@settings
class ScoredFiles:
    """Which files are scored, and against which bank."""

    paths: Annotated[
        tuple[Path, ...], Setting("The paths of sound files or of folders of them (wav, flac, ogg).", argument=True)
    ]
    bank: BankPath
    json: AsJson = False


@settings
class ScoreSettings:
    """How files are scored."""

    hop_s: Annotated[
        float | None,
        dataclasses.replace(HOP, default="the length of the window"),
    ] = None
    percentile: Annotated[
        float, Setting("The percentile of normal windows that lie below the threshold.", at_least=0.0, at_most=100.0)
    ] = 90.0
    channel: HeardChannel = None

    def __post_init__(self) -> None:
        from asd_edge.calibration.audio.windowing import require_hop

        if self.hop_s is not None:
            require_hop(self.hop_s)
