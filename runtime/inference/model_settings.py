"""Which model hears, and where it runs.

The command line reads this module for its help, so it imports nothing heavy.
"""

from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.settings import Setting, settings

if TYPE_CHECKING:
    from asd_edge.runtime.inference.model import Model

DEFAULT_MODEL = "logmel"
"""The name of the model inside the package, see `asd_edge.export.systems.logmel`."""

ModelName = Annotated[
    str, Setting(f"The model: the path of an .onnx file, or '{DEFAULT_MODEL}' for the one inside the package.")
]
Provider = Annotated[
    str,
    Setting("The execution provider that runs the model: auto, cpu, cuda, tensorrt, openvino or coreml."),
]
MAX_THREADS = 1024
"""More threads than any processor has: each takes memory and time to start, and a model waits for all of them."""
Threads = Annotated[
    int,
    Setting("The number of CPU threads of the model; 0 takes one per physical core.", at_least=0, at_most=MAX_THREADS),
]
Cache = Annotated[
    bool,
    Setting(
        "Whether a large model is prepared for this computer, once, in a folder beside it, and started from there.",
        option="--cache/--no-cache",
    ),
]


@settings
class ModelSettings:
    """Which model hears, and where it runs."""

    model: ModelName = DEFAULT_MODEL
    provider: Provider = "auto"
    threads: Threads = 0
    cache: Cache = True

    def start(self) -> "Model":
        """Start the model.

        Raises:
            ModelError: The model does not start.
        """
        from asd_edge.runtime.inference.model import Model

        return Model(self.model, self.provider, self.threads, cache=self.cache)


@settings
class ModelsSettings:
    """Which models hear, and where they run."""

    model: Annotated[
        tuple[str, ...],
        Setting(
            f"The model: the path of an .onnx file, or '{DEFAULT_MODEL}' for the one inside the package. It can be "
            "repeated where the banks were made by several models."
        ),
    ] = (DEFAULT_MODEL,)
    provider: Provider = "auto"
    threads: Threads = 0
    cache: Cache = True

    def start(self) -> "list[Model]":
        """Start every model once.

        Raises:
            ModelError: One of them does not start.
        """
        from asd_edge.runtime.inference.model import Model

        names = dict.fromkeys(self.model)
        return [Model(name, self.provider, self.threads, cache=self.cache) for name in names]
