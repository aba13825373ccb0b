"""What a benchmark measures, and what two of them are compared by.

The command line reads this module for its help, so it imports nothing heavy.
"""

from pathlib import Path
from typing import Annotated

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL, MAX_THREADS, Cache
from asd_edge.runtime.pipeline.listen_settings import LONGEST_HOP_S

_LONGEST_S = 86_400.0
"""Nobody waits more than a day for one combination; what is longer is a slip."""


@settings
class BenchSettings:
    """What is measured: every model with every provider, batch and number of threads, all in turns."""

    models: Annotated[
        tuple[str, ...],
        Setting(
            f"A model to measure: the path of an .onnx file, or '{DEFAULT_MODEL}' for the one inside the package. The "
            "option can be repeated.",
            option="--model",
        ),
    ] = (DEFAULT_MODEL,)
    providers: Annotated[
        tuple[str, ...],
        Setting(
            "An execution provider that runs the models: cpu, cuda, tensorrt, openvino or coreml. The option can be "
            "repeated.",
            option="--provider",
            default="all that are installed here",
        ),
    ] = ()
    precisions: Annotated[
        tuple[str, ...],
        Setting(
            "A precision, fp32, fp16 or int8, to which the models are restricted. The option can be repeated.",
            option="--precision",
            default="all",
        ),
    ] = ()
    batches: Annotated[
        tuple[int, ...],
        Setting(
            "The number of windows embedded at once. The option can be repeated.",
            option="--batch",
            at_least=1,
            at_most=1024,
        ),
    ] = (1,)
    threads: Annotated[
        tuple[int, ...],
        Setting(
            "The number of CPU threads of the model; 0 takes one per physical core. The option can be repeated.",
            at_least=0,
            at_most=MAX_THREADS,
        ),
    ] = (0,)
    duration_s: Annotated[
        float,
        Setting(
            "How long each combination is timed in seconds, and as long again microphones are added to it.",
            above=0.0,
            at_most=_LONGEST_S,
        ),
    ] = 20.0
    hop_s: Annotated[
        float,
        Setting("The time from one window of a microphone to the next in seconds.", above=0.0, at_most=LONGEST_HOP_S),
    ] = 10.0
    data: Annotated[
        Path | None,
        Setting(
            "A folder of recordings as for `asd-edge evaluate`, which tells how well faults are found beside how fast."
        ),
    ] = None
    output: Annotated[Path, Setting("The new folder for bench.json and the page, report.html.")] = Path("bench")
    cache: Cache = True

    def __post_init__(self) -> None:
        from asd_edge.calibration.audio.windowing import require_hop
        from asd_edge.runtime.inference.providers import require_known

        require_hop(self.hop_s)
        for name, values in (("model", self.models), ("batch", self.batches), ("threads", self.threads)):
            if not values:
                raise InputError(
                    f"There is no --{name}, so there is nothing to measure.",
                    got="none",
                    valid="one or more",
                    next_step="see asd-edge bench --help",
                )
        for provider in self.providers:
            require_known(provider)


@settings
class CompareSettings:
    """Which benchmarks are compared, and how much worse the second may be."""

    first: Annotated[Path, Setting("A bench.json.", argument=True)]
    second: Annotated[Path, Setting("Another bench.json, of another device or version.", argument=True)]
    tolerance: Annotated[
        float,
        Setting(
            "The share by which the second may be worse; 0.1 lets everything be a tenth worse.",
            at_least=0.0,
            at_most=1000.0,
        ),
    ] = 0.1
