"""What is evaluated, and how.

The command line reads this module for its help, so it imports nothing heavy.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.audio.channels import Channel, parse_channel
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.enrolment.settings import MOST_REFERENCES
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL, Provider, Threads

if TYPE_CHECKING:
    from asd_edge.runtime import Model

SHORT_CLIPS = {"repeat": "repeated to fill the window", "skip": "left out"}
"""What can be done about clips that are shorter than a window."""
LONG_CLIPS = {
    "windows": "cut into windows, of which the largest score counts",
    "first": "only the first window counts",
}
"""What can be done about clips that are longer than a window."""


@settings
class EvaluateSettings:
    """What is evaluated, and how its clips are treated."""

    output: Annotated[Path, Setting("The new folder for the results, the CSV files, the banks and the page.")]
    data_dir: Annotated[
        Path | None,
        Setting(
            "The folder of recordings in the layout of DCASE Task 2, 2020 to 2025: <machine>/{train,test}/*.wav.",
            argument=True,
        ),
    ] = None
    scorers: Annotated[
        tuple[str, ...],
        Setting(
            "How windows are compared with normal ones, as for `asd-edge enroll`. The option can be repeated, for "
            "methods side by side.",
            option="--scorer",
            default="what the model was made for",
        ),
    ] = ()
    max_references: Annotated[
        int | None,
        Setting(
            "The largest number of windows that a bank keeps to compare with.",
            default="all of them",
            at_least=1,
            at_most=MOST_REFERENCES,
        ),
    ] = None
    short: Annotated[
        str, Setting("What is done about clips shorter than the window: 'repeat' them to fill it, or 'skip' them.")
    ] = "repeat"
    long: Annotated[
        str,
        Setting(
            "What is done about longer clips: they are cut into 'windows', of which the largest score counts, or the "
            "'first' alone counts."
        ),
    ] = "windows"
    channel: Annotated[
        Channel,
        Setting(
            "The channel of the clips, counted from 1, or 'mix' for the mean of all channels.", parse=parse_channel
        ),
    ] = 1
    skip_damaged: Annotated[
        bool, Setting("Whether clips that cannot be read are left out and counted; else the first ends the work.")
    ] = False
    scores: Annotated[
        Path | None, Setting("A folder of scores as the challenge takes them, to be measured instead of recordings.")
    ] = None
    ground_truth: Annotated[
        Path | None, Setting("The folder with the challenge's folders ground_truth_*, for --scores.")
    ] = None

    banks: Annotated[
        tuple[Path, ...],
        Setting(
            "The path of a bank, whose known faults are scored by what it is now; the option can be repeated.",
            option="--bank",
        ),
    ] = ()

    def __post_init__(self) -> None:
        for option, value, known in (("--short", self.short, SHORT_CLIPS), ("--long", self.long, LONG_CLIPS)):
            if value not in known:
                raise InputError(
                    "There is no such treatment of clips.",
                    got=f"{option} {value}",
                    valid=", ".join(f"{option} {name}: {words}" for name, words in known.items()),
                    next_step=f"try {option} {next(iter(known))}",
                )
        given = {"DATA_DIR": self.data_dir, "--scores": self.scores, "--ground-truth": self.ground_truth}
        named = [name for name, path in given.items() if path is not None] + ["--bank"] * bool(self.banks)
        if named not in (["DATA_DIR"], ["--scores", "--ground-truth"], ["--bank"]):
            raise InputError(
                "It takes either recordings, or scores with their ground truth, or banks with known faults.",
                got=" and ".join(named) or "neither",
                valid="asd-edge evaluate DATA_DIR --output DIR, or --scores DIR --ground-truth DIR --output DIR, or "
                "--bank PATH --output DIR",
                next_step="see asd-edge evaluate --help",
            )

    def in_words(self) -> dict[str, str]:
        """How clips are treated, in the words of the results."""
        return {
            "channel": str(self.channel),
            "short_clips": SHORT_CLIPS[self.short],
            "long_clips": LONG_CLIPS[self.long],
        }


@settings
class EvaluatedModels:
    """Which model is evaluated, and where it runs."""

    model: Annotated[
        str,
        Setting(
            f"The model: the path of an .onnx file, or '{DEFAULT_MODEL}' for the one inside the package; or a folder "
            "with a model for each machine, <machine>.onnx."
        ),
    ] = DEFAULT_MODEL
    provider: Provider = "auto"
    threads: Threads = 0

    def start(self) -> "Model | dict[str, Model]":
        """Start the model for all machines, or one for each by its name.

        Raises:
            ModelError: One of them does not start.
        """
        from asd_edge.runtime import Model

        if not Path(self.model).is_dir():
            return Model(self.model, self.provider, self.threads)
        files = sorted(Path(self.model).glob("*.onnx"))
        return {file.stem: Model(file, self.provider, self.threads) for file in files}
